"""When somebody leaves a meeting, whoever keeps something for the session is told to let it go."""

from __future__ import annotations

import logging
from collections.abc import Callable

from meetingtasks.events import Event
from meetingtasks.events.facts.meeting import MeetingUserLeft

log = logging.getLogger(__name__)

#: called, once per service, with the fact that somebody left; parts that keep sessions add theirs
ON_LEAVING: list[Callable[[MeetingUserLeft], object]] = []


def release_session(event: Event) -> None:
    """Tell those who keep something for a session that its user has left."""
    fact = event.fact
    if not isinstance(fact, MeetingUserLeft):
        return
    for release in ON_LEAVING:
        release(fact)
    log.info("a user left", extra={"meeting_id": fact.meeting_id, "session_id": fact.session_id})
