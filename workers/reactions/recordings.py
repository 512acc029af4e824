"""From the end of a meeting to its minutes: the recording is stopped, and what was recorded goes into the pipeline."""

from __future__ import annotations

from celery import Celery

from meetingtasks.events import Event
from meetingtasks.events.facts.media import RecordingFailed, RecordingProcessed, RecordingStarted, RecordingStopped
from meetingtasks.events.facts.meeting import MeetingEnded
from meetingtasks.events.reactor import Reaction
from workers.process_events import event_log
from workers.reactions.submitting import submit_once


def stop_recordings(app: Celery) -> Reaction:
    """Stop what still records a meeting that has ended."""

    def stop(event: Event) -> None:
        fact = event.fact
        if not isinstance(fact, MeetingEnded):
            return
        running = running_recordings(fact.meeting_id)
        if fact.recording_id is not None:
            running.add(str(fact.recording_id))
        for recording_id in sorted(running):
            payload = {"action": "stop", "meeting_id": str(fact.meeting_id), "recording_id": recording_id}
            submit_once(app, event, "recording", payload, meeting_id=fact.meeting_id, occasion=recording_id)

    return stop


def make_minutes(app: Celery) -> Reaction:
    """Put a finished recording into the pipeline, unless its owner wants no minutes."""

    def process(event: Event) -> None:
        fact = event.fact
        if not isinstance(fact, RecordingProcessed) or not fact.minutes_wanted:
            return
        payload = {"audio_files": [fact.file_url], "meeting_type": fact.meeting_type, "title": fact.title}
        submit_once(app, event, "process_recording", payload, meeting_id=fact.meeting_id)

    return process


def running_recordings(meeting_id: int | str) -> set[str]:
    """Return the ids of a meeting's recordings that began and have not ended, by the events of the last 24 h."""
    running = set()
    for event in event_log().since("media_events"):
        fact = event.fact
        if isinstance(fact, RecordingStarted) and str(fact.meeting_id) == str(meeting_id):
            running.add(str(fact.recording_id))
        elif isinstance(fact, RecordingStopped | RecordingProcessed | RecordingFailed):
            running.discard(str(fact.recording_id))
    return running
