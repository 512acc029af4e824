"""A dying pool process is looked at until it is dead, and types that its pool cannot end are named."""

from collections.abc import Callable
from typing import Any

import pytest
from click import UsageError

from meetingtasks.limits.step import notice_deaths_at_once, refuse_types_that_need_a_process


class Hub:
    """An event loop whose timers fire when it is told to."""

    def __init__(self) -> None:
        self.planned: list[Callable[[], None]] = []

    def call_later(self, _seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        self.planned.append(lambda: call(*arguments))

    def fire(self) -> None:
        planned, self.planned = self.planned, []
        for call in planned:
            call()


class Pool:
    """A pool whose one process can be waited for only at the third look."""

    def __init__(self) -> None:
        self._pool = ["dying"]
        self.looks = 0

    def maintain_pool(self) -> None:
        self.looks += 1
        if self.looks == 3:
            self._pool.clear()

    def _event_process_exit(self, _hub: Hub, _process: str) -> None:
        self.maintain_pool()


def test_g4_a_process_that_cannot_be_waited_for_yet_is_looked_at_again() -> None:
    pool, hub = Pool(), Hub()
    notice_deaths_at_once(pool)
    pool._event_process_exit(hub, "dying")
    for _ in range(5):
        hub.fire()
    assert pool._pool == []
    assert pool.looks == 3


def test_types_that_compute_need_a_process_and_types_that_wait_do_not() -> None:
    refuse_types_that_need_a_process(["meetingtasks.meeting.report_generation", "celery.backend_cleanup"], "threads")
    with pytest.raises(UsageError, match=r"the pool 'threads' cannot end .* transcode; use --pool prefork"):
        refuse_types_that_need_a_process(["meetingtasks.media.transcode"], "threads")
