"""Arguments and results of the signaling service: chat, WebRTC negotiation, connections, pushes to clients."""

# ruff: noqa: RUF012 - pydantic copies a default list or dict for each instance

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, AliasChoices, Field, model_validator

from meetingtasks.payloads.common import Identifiers, JsonObject, Payload, Result
from meetingtasks.payloads.texts import Identifier, Line, Text, refuse

MAX_CHAT_BYTES: Final = 8 * 1024

EventChannel = Literal[
    "user_events",
    "meeting_events",
    "media_events",
    "ai_events",
    "signaling_events",
    "system_events",
    "task_events",
]


def _chat_text(text: str) -> str:
    if len(text.encode()) > MAX_CHAT_BYTES:
        raise refuse("must have at most 8192 bytes")
    return text


ChatText = Annotated[Text, Field(min_length=1), AfterValidator(_chat_text)]
"""1 to 8192 bytes, on several lines where wanted."""


class SignalingPayload(Payload):
    """A chat message to be sent, or earlier ones to be read."""

    action: Annotated[Literal["send", "history"], Field(description="What to do")]
    meeting_id: Annotated[Identifier | None, Field(description="Default: the task's meeting")] = None
    from_user_id: Annotated[Identifier | None, Field(description="Default: the task's user")] = None
    to_user_id: Annotated[Identifier | None, Field(description="One reader; none: everyone in the meeting")] = None
    content: Annotated[
        ChatText | None,
        Field(
            description="The message, at most 8 KiB; needed for send",
            validation_alias=AliasChoices("content", "message", "text"),
        ),
    ] = None
    message_id: Annotated[Identifier | None, Field(description="The client's id of the message")] = None
    before: Annotated[Identifier | None, Field(description="Read messages older than this message id")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Messages to read, 1-200")] = 50

    @model_validator(mode="after")
    def _send_has_content(self) -> Self:
        if self.action == "send" and self.content is None:
            raise refuse("the action send needs content")
        return self


class ChatMessage(Result):
    """One message of a meeting's chat."""

    message_id: str
    from_user_id: str
    to_user_id: str | None = None
    content: str
    sent_at_ms: Annotated[int, Field(ge=0, description="Since 1970, ms")]


class SignalingResult(Result):
    """The id of the message sent, or the messages read, newest last."""

    message_id: str | None = None
    messages: list[ChatMessage] = []


class IceCandidate(Payload):
    """A network address that a peer may be reached at, in the browser's spelling."""

    candidate: Annotated[Line, Field(description="The candidate line; empty at the end of candidates")]
    sdp_mid: Annotated[
        Line | None,
        Field(description="Media section by name", validation_alias=AliasChoices("sdp_mid", "sdpMid")),
    ] = None
    sdp_m_line_index: Annotated[
        int | None,
        Field(
            ge=0,
            le=65_535,
            description="Media section by place",
            validation_alias=AliasChoices("sdp_m_line_index", "sdpMLineIndex"),
        ),
    ] = None
    username_fragment: Annotated[
        Line | None,
        Field(
            description="Generation of the candidates",
            validation_alias=AliasChoices("username_fragment", "usernameFragment"),
        ),
    ] = None


class WebrtcNegotiationPayload(Payload):
    """An offer, an answer or a candidate for a peer."""

    kind: Annotated[Literal["offer", "answer", "ice_candidate"], Field(description="What it is")]
    session_id: Annotated[Identifier, Field(description="The sender's session")]
    peer_id: Annotated[Identifier | None, Field(description="The receiver; none: the media server")] = None
    sdp: Annotated[Text | None, Field(min_length=1, max_length=65_536, description="For offer and answer")] = None
    candidate: Annotated[IceCandidate | None, Field(description="For ice_candidate")] = None
    sequence: Annotated[int | None, Field(ge=0, le=2**31, description="Counts the sender's messages")] = None

    @model_validator(mode="after")
    def _kind_has_its_data(self) -> Self:
        needed, other = ("candidate", "sdp") if self.kind == "ice_candidate" else ("sdp", "candidate")
        if getattr(self, needed) is None or getattr(self, other) is not None:
            raise refuse(f"the kind {self.kind} needs {needed} and no {other}")
        return self


class WebrtcNegotiationResult(Result):
    """Whether the peer got it."""

    delivered: bool


class SignalingConnectionManagePayload(Payload):
    """A client's connection began or ended."""

    action: Annotated[Literal["connect", "disconnect"], Field(description="What happened")]
    session_id: Annotated[Identifier, Field(description="The session")]
    meeting_id: Annotated[Identifier | None, Field(description="Default: the task's meeting")] = None
    user_id: Annotated[Identifier | None, Field(description="Default: the task's user")] = None
    reason: Annotated[Line | None, Field(description="Why it ended")] = None


class SignalingConnectionManageResult(Result):
    """The session's state."""

    session_id: str
    status: Annotated[Literal["connected", "disconnected"], Field(description="State after the action")]


class ClientPushPayload(Payload):
    """A message to clients by session, user or meeting; those away get it on return while it lives."""

    session_ids: Annotated[Identifiers, Field(description="Sessions")] = []
    user_ids: Annotated[Identifiers, Field(description="Users, at all their sessions")] = []
    meeting_id: Annotated[Identifier | None, Field(description="Everyone in this meeting")] = None
    message: Annotated[JsonObject, Field(description="What they get")]
    ttl_s: Annotated[int, Field(ge=1, le=86_400, description="How long it is kept for those away, s")] = 60
    message_id: Annotated[Identifier | None, Field(description="The same message is pushed once per id")] = None

    @model_validator(mode="after")
    def _has_receivers(self) -> Self:
        if not (self.session_ids or self.user_ids or self.meeting_id):
            raise refuse("give at least one of session_ids, user_ids or meeting_id")
        return self


class ClientPushResult(Result):
    """How many got it, and for how many it waits."""

    delivered: Annotated[int, Field(ge=0)]
    buffered: Annotated[int, Field(ge=0)] = 0


class EventBroadcastPayload(Payload):
    """An event to be published on a channel."""

    channel: Annotated[EventChannel, Field(description="Where")]
    event: Annotated[JsonObject, Field(min_length=1, description="The event: {type, payload}")]
    message_id: Annotated[Identifier | None, Field(description="The same event is published once per id")] = None


class EventBroadcastResult(Result):
    """How many subscribers heard it."""

    delivered: Annotated[int, Field(ge=0)]
    buffered: Annotated[int, Field(ge=0)] = 0
