"""The table of task types: where each goes, how urgent it is, how long it may take and how often it is tried again.

A time limit is what the type's class of work needs: models 30-60 s, media 60-120 s, databases 5-10 s, other systems
10-30 s. Types outside their class say why. Retries follow the class of the error: network 3, transient 2, and one for
exhausted memory or disk where a machine with more of it may have success.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypedDict, Unpack

from pydantic import BaseModel

from meetingtasks.catalogue import Catalogue, Pool, TaskType
from meetingtasks.payloads import ai, custom, media, meeting, signaling, user
from meetingtasks.retry import Backoff, RetryBudget
from meetingtasks.states import Priority

CPU, IO = Pool.CPU, Pool.IO
CRITICAL, HIGH, NORMAL, LOW = Priority.CRITICAL, Priority.HIGH, Priority.NORMAL, Priority.LOW

RETRIES: Final = RetryBudget(network=3, transient=2, resource=0)
RETRIES_RES: Final = RetryBudget(network=3, transient=2, resource=1)
COSTLY_RES: Final = RetryBudget(network=3, transient=1, resource=1)  # a second full encode is rarely worth it
LIVE: Final = RetryBudget(network=2, transient=2, resource=0)  # the moment has passed after more
BRIEF: Final = RetryBudget(network=2, transient=1, resource=0)
# the next turn of the schedule, or a fresh offer, does better than a late retry
ONCE: Final = RetryBudget(network=1, transient=1, resource=0)
WEBHOOK: Final = RetryBudget(network=8, transient=8, resource=0)  # the other system may be down for an hour
WEBHOOK_BACKOFF: Final = Backoff(base_s=30, cap_s=3600)  # eight draws from 30 s to an hour: about an hour in all

ANY_SERVICE: Final = "any"
DEFAULT_CONCURRENCY: Final = 5


@dataclass(frozen=True)
class QueueSpec:
    """A queue: whose tasks it holds (``any``: every service's) and how many run at once unless set otherwise."""

    service: str
    concurrency: int = DEFAULT_CONCURRENCY


QUEUES: Final[dict[str, QueueSpec]] = {
    "ai_tasks": QueueSpec("ai"),
    "media_tasks": QueueSpec("media"),
    "meeting_tasks": QueueSpec("meeting"),
    "signaling_tasks": QueueSpec("signaling"),
    "user_tasks": QueueSpec("user"),
    "custom_tasks": QueueSpec("custom-service"),
    # by kind of work instead of by service
    "default": QueueSpec(ANY_SERVICE),
    "processing": QueueSpec(ANY_SERVICE, 10),
    "upload": QueueSpec(ANY_SERVICE, 5),
    "notification": QueueSpec(ANY_SERVICE, 10),
    "cpu_intensive": QueueSpec(ANY_SERVICE, 2),
    "io_intensive": QueueSpec(ANY_SERVICE, 20),
}


class _Limits(TypedDict, total=False):
    """The rest of a row, as TaskType has it."""

    priority: Priority
    live_priority: Priority
    media_factor: int
    retries: RetryBudget
    backoff: Backoff
    pool: Pool
    concurrency: int
    expires_s: int


class _Service:
    """Writes one service's rows: the queue, and the dotted name ``service.type`` among the aliases."""

    def __init__(self, service: str, queue: str) -> None:
        self._service = service
        self._queue = queue

    def __call__(
        self,
        name: str,
        payload: type[BaseModel],
        result: type[BaseModel] | None,
        *,
        limits: tuple[int, int],
        aliases: str = "",
        steps: str = "",
        queue: str | None = None,
        **rest: Unpack[_Limits],
    ) -> TaskType:
        dotted = f"{self._service}.{name}"
        return TaskType(
            name=name,
            service=self._service,
            queue=queue or self._queue,
            payload=payload,
            result=result,
            aliases=tuple(dict.fromkeys([dotted, *aliases.split()])),
            soft_limit_s=limits[0],
            hard_limit_s=limits[1],
            steps=tuple(steps.split()),
            summary=(payload.__doc__ or "").strip(),
            **rest,
        )


_ai = _Service("ai", "ai_tasks")
_media = _Service("media", "media_tasks")
_meeting = _Service("meeting", "meeting_tasks")
_user = _Service("user", "user_tasks")
_signaling = _Service("signaling", "signaling_tasks")
_custom = _Service("custom-service", "custom_tasks")

# fmt: off
CATALOGUE: Final = Catalogue([
    # ── ai ──────────────────────────────────────────────────────────────────────────────────────────────────────────
    _ai("speech_recognition", ai.SpeechRecognitionPayload, ai.SpeechRecognitionResult, aliases="asr",
        live_priority=HIGH, limits=(60, 75), media_factor=2, retries=RETRIES_RES, pool=CPU, concurrency=10,
        steps="fetch decode transcribe store"),
    _ai("emotion_detection", ai.EmotionDetectionPayload, ai.EmotionDetectionResult,
        live_priority=HIGH, limits=(30, 40), retries=RETRIES, pool=CPU, concurrency=20, steps="fetch analyse store"),
    _ai("synthesis_detection", ai.SynthesisDetectionPayload, ai.SynthesisDetectionResult,
        aliases="deepfake_detection ai.deepfake_detection",
        limits=(40, 50), retries=RETRIES, pool=CPU, concurrency=15, steps="fetch analyse store"),
    _ai("audio_denoising", ai.AudioDenoisingPayload, ai.AudioDenoisingResult,
        live_priority=HIGH, limits=(60, 75), media_factor=1, retries=RETRIES_RES, pool=CPU, concurrency=30,
        steps="fetch decode filter verify store"),
    # 120 s: it is media work, under the AI service for its engines
    _ai("video_enhancement", ai.VideoEnhancementPayload, ai.VideoEnhancementResult,
        priority=LOW, limits=(120, 150), media_factor=6, retries=COSTLY_RES, pool=CPU, concurrency=5,
        steps="fetch probe enhance verify store"),
    _ai("text_to_speech", ai.TextToSpeechPayload, ai.TextToSpeechResult,
        priority=HIGH, limits=(30, 40), retries=RETRIES, pool=CPU, steps="synthesise store"),
    # 300 s: a language model writes up to 20 000 characters
    _ai("content_generation", ai.ContentGenerationPayload, ai.ContentGenerationResult,
        limits=(300, 330), retries=RETRIES, pool=IO, steps="prepare generate check store"),
    # 180 s: several questions to a language model, one after another
    _ai("meeting_minutes", ai.MeetingMinutesPayload, ai.MeetingMinutesResult, aliases="action_items summary_notes",
        limits=(180, 210), retries=RETRIES, pool=IO, steps="plan sections decisions actions check store"),
    # 120 s: many samples of one recording
    _ai("speaker_recognition", ai.SpeakerRecognitionPayload, ai.SpeakerRecognitionResult, aliases="identifying",
        limits=(120, 150), retries=RETRIES, pool=IO, steps="sample match vote store"),
    _ai("speaker_correction", ai.SpeakerCorrectionPayload, ai.SpeakerCorrectionResult, aliases="correcting",
        limits=(120, 150), retries=RETRIES, pool=IO, steps="sample match vote store"),
    # ── media ───────────────────────────────────────────────────────────────────────────────────────────────────────
    _media("video_processing", media.VideoProcessingPayload, media.VideoProcessingResult,
           limits=(120, 150), media_factor=4, retries=RETRIES_RES, pool=CPU,
           steps="下载 转码 上传 通知"),  # download, transcode, upload, notify
    _media("transcode", media.TranscodePayload, media.TranscodeResult, aliases="media_transcode video_transcode",
           limits=(120, 150), media_factor=4, retries=COSTLY_RES, pool=CPU, steps="fetch probe encode verify store"),
    _media("upload", media.UploadPayload, media.UploadResult, aliases="media.upload_to_minio upload_to_minio",
           limits=(120, 150), retries=RETRIES, pool=IO, steps="check parts complete verify"),
    # 30 s: it asks the media server, which is another system
    _media("recording", media.RecordingPayload, media.RecordingResult,
           aliases="media.record media_recording_start media_recording_stop",
           priority=HIGH, limits=(30, 40), retries=RETRIES, pool=IO, steps="reserve act confirm"),
    _media("media_processing", media.MediaProcessingPayload, media.MediaProcessingResult,
           aliases="media.start media.stop media.screen_share",
           priority=HIGH, limits=(10, 15), retries=LIVE, pool=IO, steps="act"),
    _media("stream_control", media.StreamControlPayload, media.StreamControlResult,
           aliases="media_stream_process media.stream_process",
           priority=HIGH, limits=(10, 15), retries=LIVE, pool=IO, steps="act"),
    _media("media_probe", media.MediaProbePayload, media.MediaProbeResult, aliases="media.probe",
           limits=(60, 75), media_factor=1, retries=RETRIES_RES, pool=CPU, steps="fetch run verify store"),
    _media("extract_audio", media.ExtractAudioPayload, media.ExtractAudioResult,
           limits=(60, 75), media_factor=1, retries=RETRIES_RES, pool=CPU, steps="fetch run verify store"),
    _media("split_audio", media.SplitAudioPayload, media.SplitAudioResult,
           limits=(60, 75), media_factor=1, retries=RETRIES_RES, pool=CPU, steps="fetch run verify store"),
    _media("merge_audio", media.MergeAudioPayload, media.MergeAudioResult,
           limits=(60, 75), media_factor=1, retries=RETRIES_RES, pool=CPU, steps="fetch run verify store"),
    _media("thumbnail", media.ThumbnailPayload, media.ThumbnailResult,
           limits=(60, 75), media_factor=1, retries=RETRIES_RES, pool=CPU, steps="fetch run verify store"),
    _media("waveform", media.WaveformPayload, media.WaveformResult,
           limits=(60, 75), media_factor=1, retries=RETRIES_RES, pool=CPU, steps="fetch run verify store"),
    # ── meeting ─────────────────────────────────────────────────────────────────────────────────────────────────────
    # 6 h for the whole run; each of its stages has limits of its own
    _meeting("process_recording", meeting.ProcessRecordingPayload, meeting.ProcessRecordingResult,
             aliases="recording_process meeting.recording_process",
             limits=(21_600, 21_660), retries=RETRIES_RES, pool=IO,
             steps="ingest denoise split transcribe identify correct emotion minutes notify"),
    _meeting("meeting_control", meeting.MeetingControlPayload, meeting.MeetingControlResult,
             aliases="meeting.join meeting.leave meeting.mute meeting.unmute meeting.kick_user"
                     " meeting_create meeting_end meeting_user_join meeting_user_leave"
                     " meeting.create meeting.end meeting.user_join meeting.user_leave",
             priority=HIGH, limits=(10, 15), retries=LIVE, pool=IO, steps="check apply event"),
    # 120 s: it reads weeks of history, in Python: an exception ends it
    _meeting("report_generation", meeting.ReportGenerationPayload, meeting.ReportGenerationResult,
             priority=LOW, limits=(120, 150), retries=RETRIES, pool=IO, steps="collect compute render store"),
    _meeting("notification", meeting.NotificationPayload, meeting.NotificationResult, queue="notification",
             limits=(20, 30), retries=RETRIES, pool=IO, steps="render deliver"),
    _meeting("webhook_delivery", meeting.WebhookDeliveryPayload, meeting.WebhookDeliveryResult,
             limits=(15, 20), retries=WEBHOOK, backoff=WEBHOOK_BACKOFF, pool=IO, steps="sign post"),
    # 300 s: it walks whole directories
    _meeting("cleanup", meeting.CleanupPayload, meeting.CleanupResult,
             priority=LOW, limits=(300, 330), retries=ONCE, pool=IO, steps="scan remove"),
    _meeting("hotspot_monitor", meeting.HotspotMonitorPayload, meeting.HotspotMonitorResult, queue="notification",
             priority=LOW, limits=(20, 30), retries=ONCE, pool=IO, steps="measure compare event"),
    # the older form of the user types, which has always gone to the meeting service
    _meeting("user_management", meeting.UserManagementPayload, meeting.UserManagementResult,
             aliases="user.management", limits=(5, 10), retries=RETRIES, pool=IO),
    # ── user ────────────────────────────────────────────────────────────────────────────────────────────────────────
    _user("user_register", user.UserRegisterPayload, user.UserRegisterResult, aliases="user.register",
          limits=(5, 10), retries=RETRIES, pool=IO),
    _user("user_login", user.UserLoginPayload, user.UserLoginResult, aliases="user.login",
          limits=(5, 10), retries=RETRIES, pool=IO),
    _user("user_profile_update", user.UserProfileUpdatePayload, user.UserProfileUpdateResult,
          aliases="user.profile_update", limits=(5, 10), retries=RETRIES, pool=IO),
    _user("user_status_change", user.UserStatusChangePayload, user.UserStatusChangeResult,
          aliases="user.status_change", limits=(5, 10), retries=RETRIES, pool=IO),
    # ── signaling ───────────────────────────────────────────────────────────────────────────────────────────────────
    _signaling("signaling", signaling.SignalingPayload, signaling.SignalingResult, aliases="chat.send chat.history",
               priority=HIGH, limits=(5, 10), retries=BRIEF, pool=IO, expires_s=30),
    # 10 s: a stale offer does harm
    _signaling("webrtc_negotiation", signaling.WebrtcNegotiationPayload, signaling.WebrtcNegotiationResult,
               aliases="signaling_webrtc_offer signaling_webrtc_answer signaling_ice_candidate"
                       " signaling.webrtc_offer signaling.webrtc_answer signaling.ice_candidate",
               priority=CRITICAL, limits=(5, 10), retries=ONCE, pool=IO, expires_s=10),
    _signaling("signaling_connection_manage", signaling.SignalingConnectionManagePayload,
               signaling.SignalingConnectionManageResult, aliases="signaling.connection_manage",
               priority=HIGH, limits=(5, 10), retries=BRIEF, pool=IO),
    _signaling("client_push", signaling.ClientPushPayload, signaling.ClientPushResult,
               priority=HIGH, limits=(5, 10), retries=BRIEF, pool=IO),
    _signaling("event_broadcast", signaling.EventBroadcastPayload, signaling.EventBroadcastResult,
               priority=HIGH, limits=(5, 10), retries=BRIEF, pool=IO),
    # ── custom ──────────────────────────────────────────────────────────────────────────────────────────────────────
    _custom("custom_task_type_1", custom.CustomPayload, None, limits=(60, 75), retries=RETRIES),
    _custom("custom_task_type_2", custom.CustomPayload, None, limits=(60, 75), retries=RETRIES),
])
# fmt: on

# What an alias says by its name alone; merged under the payload, which goes first where both speak.
ALIAS_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "action_items": {"artifact_type": "action_items"},
    "summary_notes": {"artifact_type": "summary_notes"},
    "media.start": {"action": "start"},
    "media.stop": {"action": "stop"},
    "media.screen_share": {"action": "start", "media_type": "screen"},
    "media.record": {"action": "start"},
    "media_recording_start": {"action": "start"},
    "media_recording_stop": {"action": "stop"},
    "media_stream_process": {"action": "process"},
    "media.stream_process": {"action": "process"},
    "meeting.join": {"action": "join"},
    "meeting.leave": {"action": "leave"},
    "meeting.mute": {"action": "mute"},
    "meeting.unmute": {"action": "unmute"},
    "meeting.kick_user": {"action": "kick_user"},
    "meeting.create": {"action": "create"},
    "meeting.end": {"action": "end"},
    "meeting.user_join": {"action": "join"},
    "meeting.user_leave": {"action": "leave"},
    "meeting_create": {"action": "create"},
    "meeting_end": {"action": "end"},
    "meeting_user_join": {"action": "join"},
    "meeting_user_leave": {"action": "leave"},
    "chat.send": {"action": "send"},
    "chat.history": {"action": "history"},
    "signaling_webrtc_offer": {"kind": "offer"},
    "signaling_webrtc_answer": {"kind": "answer"},
    "signaling_ice_candidate": {"kind": "ice_candidate"},
    "signaling.webrtc_offer": {"kind": "offer"},
    "signaling.webrtc_answer": {"kind": "answer"},
    "signaling.ice_candidate": {"kind": "ice_candidate"},
}

# What a WebSocket client may submit, by these names only.
CLIENT_TYPES: Final = frozenset({
    "ai.speech_recognition", "ai.emotion_detection", "ai.synthesis_detection", "ai.audio_denoising",
    "ai.video_enhancement",
    "media.start", "media.stop", "media.record", "media.screen_share",
    "meeting.join", "meeting.leave", "meeting.mute", "meeting.unmute", "meeting.kick_user",
    "chat.send", "chat.history",
})  # fmt: skip
