"""What is to be encoded: a request for another format, settled against what the source has."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from workers.engines.errors import InvalidInput
from workers.engines.media.loudness import LOUDNESS
from workers.engines.media.operations import chain_of
from workers.engines.media.picture_filter import Filter
from workers.engines.media.profile import audio_bitrate, audio_rate, encoder_of, profile_of, video_options
from workers.engines.media.size import encodable, upright
from workers.engines.media.video import FALLBACK_FPS
from workers.engines.media.writer import AudioPlan, VideoPlan

if TYPE_CHECKING:
    from workers.engines.media.info import AudioStream, MediaInfo, VideoStream
    from workers.engines.media.limits import Limits
    from workers.engines.media.profile import Profile

_FPS_RANGE = (1, 240)
_BITRATE_RANGE = (8_000, 200_000_000)
# A rate above this is no frame rate but a time base that the file gives for want of one.
_BELIEVABLE_FPS = 240


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request as it came; see ``transcode`` for the meaning of each field."""

    format: str
    width: int | None = None
    height: int | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    quality: str = "medium"
    bitrate: int | None = None
    frame_rate: float | None = None
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The request settled: tracks that are ``None`` are not made."""

    muxer: str
    video: VideoPlan | None
    audio: AudioPlan | None
    filters: tuple[Filter, ...] = ()
    loudness: bool = False


def plan_of(name: str, info: MediaInfo, wanted: Wanted, limits: Limits) -> Plan:
    """Settle ``wanted`` for the file ``name``; raises ``InvalidInput`` or ``NotConfigured`` before any work is done."""
    profile = profile_of(wanted.format)
    _check_ranges(wanted)
    filters = chain_of([word for word in wanted.filters if word != LOUDNESS])
    video = None
    if profile.video and wanted.video_codec != "none":
        if not info.has_video:
            raise InvalidInput(f"{name}: no video stream; for sound alone choose m4a, mp3, ogg, opus, flac or wav")
        video = _video(profile, info.video[0], wanted, limits)
    audio = None
    if wanted.audio_codec != "none" and (info.has_audio or video is None):
        if not info.has_audio:
            raise InvalidInput(f"{name}: no audio stream")
        audio = _audio(profile, info.audio[0], wanted, sound_alone=video is None)
    if video is None and audio is None:
        raise InvalidInput("neither pictures nor sound are wanted: nothing to make", code="options_invalid")
    if LOUDNESS in wanted.filters and audio is None:
        raise InvalidInput(f"{name}: {LOUDNESS} was asked for, and no sound is to be made")
    if video is not None and wanted.frame_rate is not None:
        filters = (*filters, Filter("fps", f"fps={Fraction(wanted.frame_rate).limit_denominator(1001)}"))
    return Plan(profile.muxer, video, audio, filters if video is not None else (), LOUDNESS in wanted.filters)


def _check_ranges(wanted: Wanted) -> None:
    for what, value, (low, high) in (
        ("frame rate", wanted.frame_rate, _FPS_RANGE),
        ("bitrate", wanted.bitrate, _BITRATE_RANGE),
    ):
        if value is not None and not low <= value <= high:
            raise InvalidInput(f"{what} {value} is outside {low}..{high}", code="options_invalid")
    for side in (wanted.width, wanted.height):
        if side is not None and side <= 0:
            raise InvalidInput(f"a picture cannot have a side of {side} pixels", code="options_invalid")


def _video(profile: Profile, source: VideoStream, wanted: Wanted, limits: Limits) -> VideoPlan:
    encoder = encoder_of(wanted.video_codec, profile.video, wanted.format)
    size = encodable(upright(source.width, source.height, source.rotation), wanted.width, wanted.height, limits)
    fps = wanted.frame_rate or (source.fps if 0 < source.fps <= _BELIEVABLE_FPS else FALLBACK_FPS)
    return VideoPlan(
        encoder,
        *size,
        Fraction(fps).limit_denominator(1001),
        wanted.bitrate,
        video_options(encoder, wanted.quality, fixed_bitrate=wanted.bitrate is not None),
    )


def _audio(profile: Profile, source: AudioStream, wanted: Wanted, *, sound_alone: bool) -> AudioPlan:
    encoder = encoder_of(wanted.audio_codec, profile.audio, wanted.format)
    channels = min(source.channels, 2)
    bitrate = audio_bitrate(encoder, wanted.quality, channels)
    if sound_alone and wanted.bitrate is not None and bitrate is not None:
        bitrate = wanted.bitrate
    return AudioPlan(encoder, audio_rate(encoder, source.sample_rate), channels, bitrate)
