"""What ``broker_transport_options`` may say to the lease transport, checked once when a channel opens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from kombu.utils.imports import symbol_by_name

from meetingtasks.broker.companion import Companion
from meetingtasks.broker.queue import LeaseOptions

OnLost = Callable[[str, Mapping[str, Any]], None]
LEASE_OPTIONS = ("lease_s", "renew_s", "max_deliveries", "dedupe_s", "longest_block_s", "keep_dead")
OWN_OPTIONS = (
    "max_fetch",
    "lease_grace_s",
    "time_limit_of",
    "end_of",
    "cap_of",
    "companion",
    "on_lost",
    "known_type",
    "unknown_type_s",
    "accept_content_types",
    "confirm_replicas",
    "confirm_s",
)


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """The transport's own options; callables may be given as dotted paths.

    ``max_fetch``: most messages in one round trip, however many slots are free. ``time_limit_of``: message headers →
    hard limit of the task in s or None; a lease is renewed at most that long plus ``lease_grace_s``. ``end_of``:
    message headers → when, by the monotonic clock, the task that runs here must end by now, or None; asked when that
    time is over, because a task may have been given more. ``cap_of``: message headers → name of the cap that it runs
    under, and how many may be in work where nothing else is set, or None. ``on_lost``: called with delivery tag and
    headers, from the renewing thread, when a lease was lost. ``known_type``: whether this worker knows a task type; an
    unknown one is put back for ``unknown_type_s``, then becomes a dead letter. ``accept_content_types``: others go to
    quarantine. ``confirm_replicas``: this many replicas must have what is published, within ``confirm_s``, before
    publishing returns.
    """

    lease: LeaseOptions = field(default_factory=LeaseOptions)
    max_fetch: int = 100
    lease_grace_s: float = 30.0
    time_limit_of: Callable[[Mapping[str, Any]], float | None] | None = None
    end_of: Callable[[Mapping[str, Any]], float | None] | None = None
    cap_of: Callable[[Mapping[str, Any]], tuple[str, int | None] | None] | None = None
    companion: Companion | None = None
    on_lost: OnLost | None = None
    known_type: Callable[[str], bool] | None = None
    unknown_type_s: float = 60.0
    accept_content_types: Collection[str] = ("application/json",)
    confirm_replicas: int = 0
    confirm_s: float = 1.0

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> TransportOptions:
        """Read kombu's transport options; names of stock options are left alone. Raises `ValueError` on bad figures."""
        lease = LeaseOptions(**{name: given[name] for name in LEASE_OPTIONS if name in given})
        own = {name: _resolved(given[name]) for name in OWN_OPTIONS if name in given}
        if "accept_content_types" in own:
            own["accept_content_types"] = tuple(own["accept_content_types"])
        return cls(lease=lease, **own)


def _resolved(value: Any) -> Any:
    return symbol_by_name(value) if isinstance(value, str) else value
