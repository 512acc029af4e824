"""The meeting service: recordings to minutes, and meetings. Run: ``celery -A workers.meeting worker``."""

from __future__ import annotations

from typing import Any, NoReturn

from celery.exceptions import Ignore

from meetingtasks.callbacks import SubmitCallbacks
from meetingtasks.context import TaskContext
from meetingtasks.events.facts.media import RecordingProcessed
from meetingtasks.events.facts.meeting import MeetingUserLeft
from meetingtasks.payloads.meeting import ProcessRecordingPayload, WebhookDeliveryPayload, WebhookDeliveryResult
from workers.base import declare_rest, make_service
from workers.pipeline import text_stages
from workers.pipeline.flow import close_stage, do_stage
from workers.pipeline.reconcile import ReconcileRuns
from workers.pipeline.start import start
from workers.pipeline.types import ClosePayload, StagePayload
from workers.reactions import react
from workers.reactions.recordings import make_minutes
from workers.reactions.sessions import release_session
from workers.upkeep import run_while_working
from workers.webhooks import deliver

service = make_service("meeting")
app = service.app

COMPOSE = {"transcribe": text_stages.compose_transcript, "emotion": text_stages.compose_emotion}


@service.task(ProcessRecordingPayload)
def process_recording(payload: ProcessRecordingPayload, ctx: TaskContext) -> NoReturn:
    """Turn a recording into transcript, moods and minutes; the task ends when the run's last stage does."""
    start(app, payload, ctx)
    raise Ignore("the run's stages go on and end this task")


@service.task(ClosePayload)
def run_close_stage(payload: ClosePayload, ctx: TaskContext) -> dict[str, Any]:
    """Close a stage that was worked on in parts."""
    ctx.check()
    return close_stage(app, payload.run_id, payload.stage, COMPOSE[payload.stage])


@service.task(StagePayload)
def run_notify(payload: StagePayload, ctx: TaskContext) -> dict[str, Any]:
    """Say that a run's minutes are ready."""
    return do_stage(app, payload.run_id, "notify", ctx, text_stages.notify)


@service.task(WebhookDeliveryPayload)
def webhook_delivery(payload: WebhookDeliveryPayload, ctx: TaskContext) -> WebhookDeliveryResult:
    """Tell another system of an event, signed."""
    return deliver(payload, ctx)


declare_rest(service)
react(service, {RecordingProcessed: [make_minutes(app)], MeetingUserLeft: [release_session]})
run_while_working(app, ReconcileRuns(app), every_s=30.0)
run_while_working(app, SubmitCallbacks(app), every_s=0.5)
