"""A local media file, opened so that nothing but this file can be read.

FFmpeg never sees the path. The file is opened here, checked to be a regular file, and handed over as a file object:
names such as ``-i`` or ``%d`` mean nothing, the extension does not influence the format, and a file that is replaced
meanwhile does not matter. Demuxers are limited to an allow-list, and any second file or address that one of them
asks for is refused.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import av
import av.error

from workers.engines.errors import InvalidInput
from workers.engines.media.cause import cause_of
from workers.engines.media.guard import border, named
from workers.engines.media.limits import RAW_FORMATS, Limits, PcmLayout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container import InputContainer

# Larger than PyAV's 32 KiB: each read is a call from C into Python.
_BUFFER_BYTES = 1 << 18
# The WAV demuxer's own 4 KiB make two hours of telephone sound 112 000 packets of mostly overhead.
_WAV_PACKET_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Source:
    """An open media file; ``file`` may be read by hand before the container is."""

    path: Path
    size_bytes: int
    container: InputContainer
    head: bytes
    """The first 64 KiB."""
    pcm: PcmLayout | None

    @property
    def format(self) -> str:
        """The demuxer's first name: ``mov`` for ``mov,mp4,m4a,3gp,3g2,mj2``."""
        return self.container.format.name.split(",")[0]


@contextmanager
def open_source(path: Path, limits: Limits, *, pcm: PcmLayout | None = None) -> Iterator[Source]:
    """Open ``path`` for reading; ``pcm`` says that it is headerless and how to read it.

    Raises ``InvalidInput``: ``media_not_found``, ``media_too_large`` or ``media_invalid`` with the cause.
    """
    with open_regular(path, limits.max_bytes) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        head = file.read(1 << 16)
        container = _open_container(path, file, limits, pcm)
        try:
            yield Source(path, size_bytes, container, head, pcm)
        finally:
            container.close()


@contextmanager
def open_regular(path: Path, max_bytes: int | None, *, empty_ok: bool = False) -> Iterator[BinaryIO]:
    """Open a regular file of at most ``max_bytes`` (``None``: any); a pipe or device is refused without blocking."""
    name = named(path)
    if "\0" in str(path):
        raise InvalidInput(f"{name}: a file name cannot hold a NUL character")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise InvalidInput(f"{name}: no such file", code="media_not_found") from error
    except OSError as error:
        with border(path, "opening"):
            raise error from None
    try:
        _check_regular(name, os.fstat(handle), max_bytes, empty_ok=empty_ok)
    except InvalidInput:
        os.close(handle)
        raise
    with os.fdopen(handle, "rb", buffering=0) as file:
        yield file


def _check_regular(name: str, facts: os.stat_result, max_bytes: int | None, *, empty_ok: bool) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise InvalidInput(f"{name}: is a directory, not a media file")
    if not stat.S_ISREG(facts.st_mode):
        raise InvalidInput(f"{name}: is not a regular file")
    if facts.st_size == 0 and not empty_ok:
        raise InvalidInput(f"{name}: is empty (zero bytes)")
    if max_bytes is not None and facts.st_size > max_bytes:
        raise InvalidInput(
            f"{name}: has {facts.st_size} bytes, more than the allowed {max_bytes}",
            code="media_too_large",
            size_bytes=facts.st_size,
            max_bytes=max_bytes,
        )


def _open_container(path: Path, file: BinaryIO, limits: Limits, pcm: PcmLayout | None) -> InputContainer:
    file.seek(0)
    options = {
        "max_pixels": str(limits.max_pixels),
        "protocol_whitelist": "",
        "enable_drefs": "0",
        "max_size": str(_WAV_PACKET_BYTES),
    }
    form = None
    if pcm is None:
        options["format_whitelist"] = ",".join(limits.formats)
    else:
        form = _raw_format(pcm)
        options |= {"sample_rate": str(pcm.sample_rate), "ch_layout": f"{pcm.channels}c"}
    try:
        with border(path, "opening"):
            return av.open(
                file,
                "r",
                format=form,
                options=options,
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
                io_open=_refuse_second_file,
            )
    except InvalidInput as error:
        raise InvalidInput(f"{named(path)}: {cause_of(file, limits.formats)}") from error


def _raw_format(pcm: PcmLayout) -> str:
    if pcm.encoding not in RAW_FORMATS or not pcm.sample_rate > 0 or not pcm.channels > 0:
        raise InvalidInput(f"cannot read headerless samples as {pcm}; encodings: {', '.join(RAW_FORMATS)}")
    return pcm.encoding


def _refuse_second_file(url: str, flags: int, options: dict[str, str]) -> NoReturn:  # noqa: ARG001 - PyAV's signature
    raise PermissionError(f"a media file may not open another one ({url[:80]!r})")
