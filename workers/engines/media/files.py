"""Files that exist completely or not at all: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workers.engines.errors import InvalidInput
from workers.engines.media.guard import CancelPoll, border, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PARTIAL_PREFIX = ".partial-"
_BLOCK_BYTES = 1 << 20


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Give an absolute temporary path beside ``out``; on success it becomes ``out``, on any failure it is removed.

    The rename is atomic, so readers see the old file, or the new one, never half of it. Two writers of one ``out``
    have a temporary file each; the last rename wins. Raises ``OutOfResource`` (full or read-only disk) and
    ``InvalidInput`` (no such directory, name too long).
    """
    _check_replaceable(out)
    partial = out.parent.absolute() / f"{PARTIAL_PREFIX}{secrets.token_hex(8)}"
    try:
        with border(out, "writing"):
            yield partial
            sync(partial)
            partial.replace(out)
            sync(out.parent)
    finally:
        partial.unlink(missing_ok=True)


def _check_replaceable(out: Path) -> None:
    """Refuse to rename a file over a device or a pipe: run as root, that would succeed."""
    with border(out, "writing"):
        if os.path.lexists(out) and not (out.is_symlink() or out.is_file()):
            raise InvalidInput(f"{named(out)}: exists and is not a regular file")


def sync(path: Path) -> None:
    """Have the file or directory on the disk before returning (a rename without it can survive its content)."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path, *, cancelled: Callable[[], bool] | None = None) -> str:
    """Hex digest of a file's content, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    poll = CancelPoll(cancelled)
    with border(path, "reading"), path.open("rb") as source:
        while block := source.read(_BLOCK_BYTES):
            digest.update(block)
            poll()
    return digest.hexdigest()
