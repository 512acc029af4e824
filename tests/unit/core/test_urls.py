"""Which addresses may be called: the hostile ones may not, in whatever dress they come."""

from ipaddress import ip_address

import pytest

from meetingtasks.urls import AddressRefused, Destination, UrlPolicy, check, is_public, resolve

POLICY = UrlPolicy(hosts=("hooks.example.com", ".partner.example", "api.example.com:8443"))

HOSTILE = [
    "http://hooks.example.com/x",
    "https://127.0.0.1/x",
    "https://localhost/x",
    "https://[::1]/x",
    "https://[::ffff:127.0.0.1]/x",
    "https://2130706433/x",
    "https://0x7f.1/x",
    "https://0177.0.0.1/x",
    "https://0/x",
    "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1/x",
    "https://hooks.example.com@127.0.0.1/x",
    "https://hooks.example.com:secret@hooks.example.com/x",
    "https://127.0.0.1#hooks.example.com",
    "https://127.0.0.1\\@hooks.example.com/x",
    "https://hooks.example.com.evil.example/x",
    "https://evilpartner.example/x",
    "https://hooks.example.com:22/x",
    "https://hооks.example.com/x",  # noqa: RUF001 - the o are Cyrillic: that is the attack
    "https://hooks.example.com/x\r\nHost: internal",
    "gopher://hooks.example.com:6379/_FLUSHALL",
    "file:///etc/passwd",
    "//hooks.example.com/x",
    "https:///x",
    "https://hooks.example.com:99999/x",
    "https://hooks.example.com/" + "x" * 2048,
]


@pytest.mark.parametrize("url", HOSTILE, ids=lambda url: ascii(url)[:40])
def test_a_hostile_address_is_refused_before_anything_is_looked_up(url: str) -> None:
    with pytest.raises(AddressRefused):
        check(url, POLICY)


@pytest.mark.parametrize(
    ("url", "destination"),
    [
        ("https://hooks.example.com", ("hooks.example.com", 443, "/")),
        ("https://HOOKS.example.com./a?b=c", ("hooks.example.com", 443, "/a?b=c")),
        ("https://eu.partner.example/x", ("eu.partner.example", 443, "/x")),
        ("https://api.example.com:8443/x", ("api.example.com", 8443, "/x")),
    ],
)
def test_an_address_on_the_list_may_be_called(url: str, destination: tuple[str, int, str]) -> None:
    host, port, target = destination
    assert check(url, POLICY) == Destination(host=host, port=port, target=target, has_tls=True)


def test_without_a_list_callbacks_are_off() -> None:
    with pytest.raises(AddressRefused, match="off"):
        check("https://hooks.example.com/x", UrlPolicy())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "224.0.0.1"])
def test_a_listed_host_that_leads_inside_is_refused_when_it_is_called(host: str) -> None:
    policy = UrlPolicy(hosts=(host,))
    with pytest.raises(AddressRefused, match="no public address"):
        resolve(check(f"https://{host}/x", policy), policy)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "0.0.0.0",  # noqa: S104 - an address, not a place to listen
            "224.0.0.1",
        ),
        *("255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"),
        *("2002:7f00:1::", "2001:0:5ef5:79fd:0:0:80ff:fffe", "2001:db8::1"),
    ],
)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_tests_may_call_this_machine_but_no_other_without_tls() -> None:
    policy = UrlPolicy(hosts=("127.0.0.1", "10.0.0.1"), allow_loopback=True)
    assert resolve(check("http://127.0.0.1:8080/x", policy), policy) == "127.0.0.1"
    with pytest.raises(AddressRefused):
        resolve(check("http://10.0.0.1/x", policy), policy)
