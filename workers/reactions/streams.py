"""What was said in a stream is recognised as soon as a piece of it is stored."""

from __future__ import annotations

from celery import Celery

from meetingtasks.events import Event
from meetingtasks.events.facts.media import StreamProcessed
from meetingtasks.events.reactor import Reaction
from workers.reactions.submitting import submit_once


def recognise_speech(app: Celery) -> Reaction:
    """Have the sound of a stored piece recognised, ahead of what is not live."""

    def recognise(event: Event) -> None:
        fact = event.fact
        if not isinstance(fact, StreamProcessed) or fact.audio_url is None:
            return
        payload = {"audio_url": fact.audio_url, "stream_id": str(fact.stream_id), "offset_ms": fact.offset_ms}
        submit_once(
            app, event, "speech_recognition", payload, priority="high", meeting_id=fact.meeting_id, user_id=fact.user_id
        )

    return recognise
