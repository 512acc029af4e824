"""Which addresses of others this platform may call: the guard against being sent to where it must not go.

An address is checked when it is submitted, by its form and its host alone, and again when it is called: every address
that the host's name stands for must then be a public one, and the connection goes to the very address that was checked.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from meetingtasks.errors import BusinessError, NetworkError
from meetingtasks.settings import Settings

LONGEST_URL: Final = 2048
HTTPS_PORT: Final = 443
_PLAIN: Final = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash
_NAME: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
#: IPv6 addresses that a gateway turns into the IPv4 address in their last 32 bits (RFC 6052)
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")


class AddressRefused(BusinessError):
    """An address that this platform does not call; the message says why."""

    code = "address_refused"


@dataclass(frozen=True, kw_only=True)
class UrlPolicy:
    """Which hosts may be called.

    ``hosts``: names such as ``hooks.example.com``, ``hooks.example.com:8443`` or, for its subdomains,
    ``.example.com``. ``allow_loopback``: for tests, listed hosts may be this machine, at any port and without TLS.
    """

    hosts: tuple[str, ...] = ()
    allow_loopback: bool = False

    @classmethod
    def of(cls, settings: Settings) -> UrlPolicy:
        """Return what the settings allow."""
        return cls(hosts=settings.webhook_hosts, allow_loopback=settings.webhook_allow_loopback)

    def allows(self, host: str, port: int) -> bool:
        """Tell whether a host is on the list, with this port."""
        names = {host, *(f".{host.split('.', n)[n]}" for n in range(1, host.count(".") + 1))}
        shown = names if port == HTTPS_PORT or self.allow_loopback else {f"{name}:{port}" for name in names}
        return not shown.isdisjoint(name.lower() for name in self.hosts)


@dataclass(frozen=True, kw_only=True)
class Destination:
    """An address that may be called: where to, and what to ask for there."""

    host: str
    port: int
    target: str  # path and query
    has_tls: bool


def check(url: str, policy: UrlPolicy) -> Destination:
    """Check an address by its form and host; AddressRefused says what is wrong. Nothing is looked up."""
    if not policy.hosts:
        raise AddressRefused("callbacks are off here: no host is allowed (MT_WEBHOOK_HOSTS)")
    parts = _split(url)
    has_tls = parts.scheme == "https"
    if not has_tls and not (parts.scheme == "http" and policy.allow_loopback):
        raise AddressRefused("must begin with https://")
    host = (parts.hostname or "").removesuffix(".")
    if not _NAME.fullmatch(host):
        raise AddressRefused("must name a host: https://host/path")
    port = parts.port or (HTTPS_PORT if has_tls else 80)
    if not policy.allows(host, port):
        raise AddressRefused("callback host not allowed; the allowed ones are in MT_WEBHOOK_HOSTS", host=host)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(host=host, port=port, target=target, has_tls=has_tls)


def _split(url: str) -> SplitResult:
    if len(url) > LONGEST_URL or not _PLAIN.fullmatch(url):
        raise AddressRefused(f"must be at most {LONGEST_URL} printable ASCII characters without space and backslash")
    try:
        parts = urlsplit(url)
        _ = parts.port  # read here, because only the reading checks it
    except ValueError as error:
        raise AddressRefused("must be a well-formed address") from error
    if "@" in parts.netloc:
        raise AddressRefused("must not carry a user name or password")
    if "#" in url:
        raise AddressRefused("must not have a fragment")
    return parts


def resolve(destination: Destination, policy: UrlPolicy) -> str:
    """Look a host up and return the address to connect to; AddressRefused unless all its addresses are public.

    Raises NetworkError when the name cannot be looked up now.
    """
    try:
        found = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NetworkError(f"{destination.host} cannot be looked up: {error}", code="name_lookup") from error
    addresses = [str(place[0]) for *_, place in found]
    for address in addresses:
        if not _may_be_called(address, destination, policy):
            raise AddressRefused(f"{destination.host} leads to {address}, which is no public address")
    return addresses[0]


def _may_be_called(text: str, destination: Destination, policy: UrlPolicy) -> bool:
    address = ip_address(text.partition("%")[0])
    if policy.allow_loopback and address.is_loopback:
        return True
    return destination.has_tls and is_public(address)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address, and each that it carries inside, belongs to one machine of the public internet."""
    return all(part.is_global and not part.is_multicast for part in _meant(address))


def _meant(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """Return an address with those that it carries inside."""
    if isinstance(address, IPv4Address):
        return [address]
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _TRANSLATED:
        inside.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return [*(part for part in inside if part is not None), *([] if address.ipv4_mapped else [address])]
