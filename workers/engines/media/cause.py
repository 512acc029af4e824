"""Why FFmpeg could not open a file, in words that help the person who sent it.

FFmpeg itself says "Invalid data found" for all of it; its log would say more, but PyAV's log hook is shared by all
threads of the process. So the first bytes are looked at here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEAD_BYTES = 4096
_MAX_BOXES = 10_000
_IMAGES = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP"}
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<?xml", b"<MPD", b"[playlist]", b"<smil")


def cause_of(file: BinaryIO, formats: Sequence[str]) -> str:
    """One sentence about a file that could not be opened; ``formats`` are the accepted ones."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if head[4:8] == b"ftyp":
        return _mp4_cause(file)
    for signature, kind in _IMAGES.items():
        if head.startswith(signature):
            return f"is a {kind} image, not sound or video"
    if head.lstrip().startswith(_PLAYLISTS):
        return "is a playlist or script that names other files; only the media file itself is accepted"
    if _is_text(head):
        return "is text, not sound or video"
    return f"is damaged or not one of the accepted formats ({', '.join(formats)})"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # more than a character cut in two by the end of the block
            return False
        text = head[: error.start].decode("utf-8")
    return bool(text) and all(c.isprintable() or c.isspace() for c in text)


def _mp4_cause(file: BinaryIO) -> str:
    boxes = dict(_mp4_boxes(file))
    if b"moov" not in boxes:
        return "is a truncated MP4: moov atom not found (the recorder or the upload stopped before its end)"
    return "is a damaged MP4: its moov atom cannot be read"


def _mp4_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Name and size of the top-level boxes that are complete in the file."""
    end = file.seek(0, 2)
    position = 0
    for _ in range(_MAX_BOXES):
        file.seek(position)
        header = file.read(16)
        if len(header) < 8:  # noqa: PLR2004 - size and name of a box, four bytes each
            return
        size, name = struct.unpack(">I4s", header[:8])
        if size == 1 and len(header) == 16:  # noqa: PLR2004 - a 64-bit size follows
            size = struct.unpack(">Q", header[8:])[0]
        if size == 0:
            size = end - position
        position += max(size, 8)
        if position > end:
            return
        yield name, size
