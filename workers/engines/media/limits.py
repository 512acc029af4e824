"""How large and how strange a media file may be before it is refused.

Every limit is checked before the work that it bounds: sizes before opening, formats while opening, the rest from the
headers before anything is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

# Demuxer names of FFmpeg. Only containers that carry their own data: no playlists, no concat scripts, no image
# sequences, no devices, nothing that makes FFmpeg open a second file or a network address.
CONTAINERS = ("wav", "mp3", "mov", "ogg", "flac", "matroska", "aac")

# Headerless samples, which only a caller who names their layout can have (see ``PcmLayout``).
RAW_FORMATS = ("s16le", "mulaw", "alaw")


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest file that is taken; change single values with ``dataclasses.replace``."""

    max_bytes: int = 32 * 1024**3
    """File size. 8 hours of 1080p at 8 Mbit/s are 29 GB."""

    max_duration_ms: int = 12 * 3_600_000
    """Length, claimed or decoded. A whole-day meeting with a margin; stops invented timestamps from filling disks."""

    max_pixels: int = 8_847_360
    """Width x height of a picture. 4096 x 2160 (DCI 4K); one such frame is 13 MB decoded, 16 000 squared is 400."""

    max_side: int = 8192
    """Width or height alone: 100 000 x 1 is small in pixels, yet no codec or scaler is made for it."""

    max_streams: int = 32
    """Tracks of all kinds. A recorder with a track per speaker needs some; thousands are an attack on memory."""

    max_channels: int = 16
    """Channels of one sound track. What the resampler can mix down."""

    max_sample_rate: int = 384_000
    """Hz. The highest rate that recorders use."""

    formats: tuple[str, ...] = CONTAINERS
    """Allowed demuxers."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class PcmLayout:
    """How to read headerless samples: nothing in such a file says it, so the caller must.

    ``encoding`` is one of ``RAW_FORMATS``, ``sample_rate`` in Hz.
    """

    sample_rate: int = 16_000
    channels: int = 1
    encoding: str = "s16le"
