"""What happens between peers and on their connections: the channel ``signaling_events``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from meetingtasks.events.facts.base import Channel, Fact, Id


class SignalingFact(Fact):
    """Something that happened in a session."""

    channel: ClassVar[Channel] = "signaling_events"

    session_id: str = Field(description="The session")
    meeting_id: Id | None = Field(None, description="The meeting it belongs to")


class SessionCreated(SignalingFact):
    """A client's session began."""

    type: ClassVar[str] = "session.created"
    aliases: ClassVar[tuple[str, ...]] = ("session_created",)


class SessionClosed(SignalingFact):
    """A client's session ended."""

    type: ClassVar[str] = "session.closed"
    aliases: ClassVar[tuple[str, ...]] = ("session_closed",)

    reason: str | None = Field(None, description="Why")


class PeerFact(SignalingFact):
    """Something that happened between two peers."""

    peer_id: str | None = Field(None, description="The other peer; none: the media server")


class WebrtcOffer(PeerFact):
    """A peer offered a connection."""

    type: ClassVar[str] = "webrtc.offer"


class WebrtcAnswer(PeerFact):
    """A peer answered an offer."""

    type: ClassVar[str] = "webrtc.answer"


class WebrtcIceCandidate(PeerFact):
    """A peer named an address at which it may be reached."""

    type: ClassVar[str] = "webrtc.ice_candidate"
    aliases: ClassVar[tuple[str, ...]] = ("ice_candidate_added",)


class WebrtcConnected(PeerFact):
    """Two peers are connected."""

    type: ClassVar[str] = "webrtc.connected"


class WebrtcDisconnected(PeerFact):
    """Two peers are no longer connected."""

    type: ClassVar[str] = "webrtc.disconnected"
