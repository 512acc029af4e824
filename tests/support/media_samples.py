"""Real media for the tests, made on the spot: voices with known noise, every container, broken files of all kinds."""

import struct
import zlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from workers.engines.media.decode import open_audio

PEAK_MIB = """
def peak_mib():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
"""
"""Source of a function for programs that watch their memory; getrusage would count the parent's, from before exec."""

VOICES = Path(__file__).parent / "voices"
RATE = 16_000
Samples = NDArray[np.float64]


def tone(seconds: float, *, rate: int = RATE, hz: float = 440.0, level: float = 0.25) -> NDArray[np.int16]:
    """Return a sine of ``level`` (1.0 is full scale)."""
    return np.round(32767 * level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def sound_of(path: Path, **options: Any) -> NDArray[np.int16]:
    """Return all samples of a short file."""
    blocks = list(open_audio(path, **options))
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.int16)


def spoken(pauses_s: Iterable[float]) -> tuple[Samples, list[tuple[int, int]]]:
    """Return sentences read by a person, one after each pause of digital silence; and where each is, in ms."""
    clips = [sound_of(path).astype(float) for path in sorted(VOICES.glob("*.flac"))]
    parts: list[Samples] = []
    where: list[tuple[int, int]] = []
    at = 0
    for nth, pause_s in enumerate(pauses_s):
        clip = clips[nth % len(clips)]
        pause = np.zeros(round(pause_s * RATE))
        parts += [pause, clip]
        at += len(pause)
        where.append((at * 1000 // RATE, (at + len(clip)) * 1000 // RATE))
        at += len(clip)
    return np.concatenate([*parts, np.zeros(RATE)]), where


def noise_like(samples: Samples, *, kind: str, snr_db: float, seed: int = 1) -> Samples:
    """Return noise ``snr_db`` below the mean power of ``samples``: ``white``, or the rumble of a ``fan``."""
    noise = np.random.default_rng(seed).normal(0, 1, len(samples))
    if kind == "fan":
        low = np.convolve(noise, np.sinc(np.arange(-64, 65) * 0.1) * np.hanning(129), "same")
        hum = np.sin(2 * np.pi * 120 * np.arange(len(samples)) / RATE)
        noise = 0.8 * low / low.std() + 0.3 * hum + 0.2 * noise
    power = np.mean(samples**2) / 10 ** (snr_db / 10)
    scaled: Samples = noise / noise.std() * np.sqrt(power)
    return scaled


def wav_bytes(
    data: bytes,
    *,
    rate: int = RATE,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    claimed_bytes: int | None = None,
) -> bytes:
    """Return a WAV file; ``tag`` 1 is integer, 3 float, 7 mu-law; ``claimed_bytes`` is what its header says."""
    frame = channels * bits // 8
    size = len(data) if claimed_bytes is None else claimed_bytes
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(36 + size, 0xFFFFFFFF)) + body


def write_wav(path: Path, samples: NDArray[Any], *, rate: int = RATE, channels: int = 1) -> Path:
    """Write ``samples`` as 16-bit WAV, clipped."""
    path.write_bytes(
        wav_bytes(np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes(), rate=rate, channels=channels)
    )
    return path


def write_sound(path: Path, muxer: str, codec: str, *, seconds: float = 4, rate: int = 48_000) -> Path:
    """Write a tone in any container and codec."""
    with av.open(str(path), "w", format=muxer) as container:
        _encode_sound(container, codec, tone(seconds, rate=rate), rate)
    return path


def write_video(
    path: Path,
    *,
    muxer: str = "mp4",
    codec: str = "libx264",
    size: tuple[int, int] = (160, 120),
    frames: int = 50,
    fps: int = 25,
    pictures: Iterable[NDArray[np.uint8]] | None = None,
    sound: str | None = "aac",
    sound_delay_s: float = 0.0,
    rotation: int = 0,
    times: list[float] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write pictures (by default growing brighter) and a tone; ``times`` in seconds makes the frame rate vary."""
    width, height = size
    pixels = "yuv444p" if width % 2 or height % 2 else "yuv420p"
    with av.open(
        str(path), "w", format=muxer, options={"movflags": "+faststart"} if muxer == "mp4" else {}
    ) as container:
        video: Any = container.add_stream(codec, rate=fps, options=options or {})
        video.width, video.height, video.pix_fmt = width, height, pixels
        video.codec_context.time_base = Fraction(1, 90_000)
        if rotation:
            video.set_display_rotation(rotation)
        audio = None
        if sound is not None:
            audio = container.add_stream(sound, rate=48_000, layout="mono")
        images = pictures or (
            np.full((height, width, 3), n * 200 // frames + 20, dtype=np.uint8) for n in range(frames)
        )
        for nth, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            time_s = times[nth] if times else nth / fps
            frame.pts, frame.time_base = round(time_s * 90_000), Fraction(1, 90_000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            _feed(container, audio, tone(frames / fps - sound_delay_s, rate=48_000), 48_000, sound_delay_s)
    return path


def damage(path: Path, out: Path, *, at: float = 0.5, size: int = 2000) -> Path:
    """Write ``path`` with ``size`` bytes of rubbish in it."""
    content = bytearray(path.read_bytes())
    start = round(len(content) * at)
    content[start : start + size] = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8).tobytes()
    out.write_bytes(content)
    return out


def cut_off(path: Path, out: Path, *, at: float = 0.6) -> Path:
    """Write the beginning of ``path``."""
    content = path.read_bytes()
    out.write_bytes(content[: round(len(content) * at)])
    return out


def png_bytes(side: int) -> bytes:
    """Return a black PNG of ``side`` x ``side`` pixels, small in bytes however large in pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * side)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _encode_sound(container: Any, codec: str, samples: NDArray[np.int16], rate: int) -> None:
    _feed(container, container.add_stream(codec, rate=rate, layout="mono"), samples, rate, 0.0)


def _feed(container: Any, stream: Any, samples: NDArray[np.int16], rate: int, delay_s: float) -> None:
    for at in range(0, len(samples), rate // 2):
        block = samples[at : at + rate // 2]
        frame = av.AudioFrame.from_ndarray(block[np.newaxis], "s16", "mono")
        frame.sample_rate = rate
        frame.pts, frame.time_base = at + round(delay_s * rate), Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
