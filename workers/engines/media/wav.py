"""WAV files of 16-bit samples: written block by block, and the claim that a foreign header makes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from workers.engines.errors import InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_CHUNK = struct.Struct("<4sI")
_MAX_DATA_BYTES = 0xFFFFFFFF - _HEADER.size
# Recorders that cannot seek back leave 0, all ones or a round number just below 2 or 4 GiB as "until the end".
_PLACEHOLDER_BYTES = 0x7FFF0000


class WavWriter:
    """Appends blocks of int16 samples to an open binary file and completes the header at the end.

    Blocks have the shape ``(n,)`` for one channel and ``(n, channels)`` for more. WAV ends at 4 GiB: 37 hours at
    16 kHz mono, 6 hours at 48 kHz stereo; beyond that ``InvalidInput`` with code ``media_too_large``.
    """

    def __init__(self, file: BinaryIO, *, rate: int, channels: int) -> None:
        self.frames = 0
        self._file = file
        self._rate = rate
        self._channels = channels
        self._write_header()

    def write(self, block: NDArray[np.int16]) -> None:
        """Append samples."""
        if (self.frames + len(block)) * 2 * self._channels > _MAX_DATA_BYTES:
            raise InvalidInput("the sound is too long for a WAV file (4 GiB)", code="media_too_large")
        self._file.write(np.ascontiguousarray(block, dtype="<i2").tobytes())
        self.frames += len(block)

    def finish(self) -> int:
        """Complete the header; returns the length in milliseconds, rounded."""
        self._file.seek(0)
        self._write_header()
        self._file.seek(0, 2)
        return round(self.frames * 1000 / self._rate)

    def _write_header(self) -> None:
        frame_bytes = 2 * self._channels
        data_bytes = self.frames * frame_bytes
        self._file.write(
            _HEADER.pack(
                b"RIFF",
                data_bytes + _HEADER.size - 8,
                b"WAVE",
                b"fmt ",
                16,
                1,
                self._channels,
                self._rate,
                self._rate * frame_bytes,
                frame_bytes,
                16,
                b"data",
                data_bytes,
            )
        )


def claimed_wav_ms(head: bytes) -> int | None:
    """Return the length that a WAV header claims; ``head`` is the first bytes of the file, ``None``: no claim.

    Placeholders of streaming recorders are no claim.
    """
    position, bytes_per_s = 12, 0
    while position + _CHUNK.size <= len(head):
        name, size = _CHUNK.unpack_from(head, position)
        body = position + _CHUNK.size
        if name == b"fmt " and body + 12 <= len(head):
            (bytes_per_s,) = struct.unpack_from("<I", head, body + 8)
        if name == b"data":
            known = bytes_per_s > 0 and 0 < size < _PLACEHOLDER_BYTES
            return round(size * 1000 / bytes_per_s) if known else None
        position = body + size + size % 2
    return None
