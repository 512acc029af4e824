"""Where recordings, chunks and results lie: local files under one root, addressed by ``file://`` URLs.

Clients send references, never paths. A reference counts only if what it resolves to, symbolic links followed, lies
under the root; everything else is refused before the file system is asked more about it. Files appear complete or not
at all, and storing the same content twice is storing it once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from workers.engines.errors import InvalidInput, OutOfResource
from workers.engines.media.files import PARTIAL_PREFIX, replacing, sha256_of
from workers.engines.media.guard import CancelPoll, border, named, one_line
from workers.engines.media.source import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLOCK_BYTES = 1 << 20
_MAX_NAME_BYTES = 255
_MAX_KEY_BYTES = 1024
_SCRATCH = ".scratch"
_SCHEME = re.compile(r"file:|[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is in the storage now."""

    url: str
    bytes: int
    sha256: str


class Storage:
    """Files under ``root``, which is made if it is not there.

    Keys are relative paths such as ``meetings/42/audio.wav``. Every method raises ``InvalidInput``
    (``reference_invalid`` or ``not_found``) for a bad key or reference, ``OutOfResource`` for a full or read-only disk.
    """

    def __init__(self, root: Path) -> None:
        with border(root, "making the storage root"):
            root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()

    def path_of(self, reference: str) -> Path:
        """Return the existing regular file that a ``file://`` URL, a path under the root or a key stands for."""
        path = self._inside(_path_in(reference), reference)
        if not path.exists() or path.name.startswith(PARTIAL_PREFIX):
            raise InvalidInput(f"{one_line(reference)}: no such file in the storage", code="not_found")
        if not path.is_file():
            raise _refused(reference, "is not a file")
        return path

    def url_of(self, path: Path | str) -> str:
        """Return the ``file://`` URL of a path under the root (the file need not exist)."""
        inside = self._inside(os.fspath(path), str(path))
        return "file://" + quote(os.fsencode(inside))

    def put(self, source: Path, key: str, *, cancelled: Callable[[], bool] | None = None) -> Stored:
        """Copy the file ``source`` to ``key``; a repeat with the same content changes nothing."""
        return self._copy(source, key, max_bytes=None, cancelled=cancelled)

    def import_file(
        self, path: Path, key: str, *, max_bytes: int, cancelled: Callable[[], bool] | None = None
    ) -> Stored:
        """Copy a user's own file from anywhere on this machine into the storage, at most ``max_bytes`` of it.

        Always a copy (no link): the user may change or delete the original. Raises ``InvalidInput``
        (``media_not_found``, ``media_too_large``, ``media_invalid``) for what is not a regular, non-empty file.
        """
        return self._copy(path, key, max_bytes=max_bytes, cancelled=cancelled)

    def put_bytes(self, content: bytes, key: str) -> Stored:
        """Store ``content`` under ``key``."""
        target = self._target(key)
        with replacing(target) as partial:
            partial.write_bytes(content)
            digest = sha256_of(partial)
        return Stored(self.url_of(target), len(content), digest)

    def put_json(self, key: str, value: Any) -> Stored:
        """Store ``value`` as JSON with sorted keys (the same value gives the same bytes); NaN is refused."""
        try:
            text = json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":"))
            content = text.encode("utf-8")
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidInput(f"{one_line(key)}: cannot be written as JSON: {error}", code="value_invalid") from error
        return self.put_bytes(content, key)

    def get_json(self, reference: str) -> Any:
        """Return what ``put_json`` stored."""
        path = self.path_of(reference)
        with border(path, "reading"):
            content = path.read_bytes()
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{named(path)}: does not hold JSON: {error}", code="value_invalid") from error

    def remove_prefix(self, prefix: str) -> int:
        """Remove the file or the directory tree at ``prefix``; returns how many files went. Nothing there: 0.

        Links inside the tree are removed, what they point to is not.
        """
        path = self._target(prefix, make_parents=False)
        with border(path, "removing"):
            if path.is_dir() and not path.is_symlink():
                count = sum(len(names) for _, _, names in os.walk(path))
                shutil.rmtree(path)
                return count
            if not os.path.lexists(path):
                return 0
            path.unlink()
            return 1

    @contextmanager
    def scratch(self, run_id: str) -> Iterator[Path]:
        """Give a directory for the run's temporary files, removed with everything in it at the end.

        Entering again with the same ``run_id`` (a repeat after a crash) gives what was left there.
        """
        path = self._target(f"{_SCRATCH}/{_single_name(run_id)}")
        with border(path, "making the scratch directory"):
            path.mkdir(exist_ok=True)
        try:
            yield path
        finally:
            # What cannot be removed must not hide how the run ended; the periodic clean-up finds it again.
            shutil.rmtree(path, ignore_errors=True)

    def free_bytes(self) -> int:
        """Return how much can still be written."""
        with border(self.root, "measuring free space"):
            return shutil.disk_usage(self.root).free

    def require_free(self, needed_bytes: int) -> None:
        """Raise ``OutOfResource`` unless ``needed_bytes`` are free: better refused now than half-way."""
        free_bytes = self.free_bytes()
        if free_bytes < needed_bytes:
            raise OutOfResource(
                f"the storage has {free_bytes} bytes free, {needed_bytes} are needed",
                free_bytes=free_bytes,
                needed_bytes=needed_bytes,
            )

    def _copy(self, source: Path, key: str, *, max_bytes: int | None, cancelled: Callable[[], bool] | None) -> Stored:
        target = self._target(key)
        poll = CancelPoll(cancelled)
        with open_regular(source, max_bytes, empty_ok=max_bytes is None) as file, replacing(target) as partial:
            with partial.open("xb") as copy:
                while block := file.read(_BLOCK_BYTES):
                    copy.write(block)
                    poll()
            # Hashed as written, not as read: this is what later readers will get.
            size_bytes, digest = partial.stat().st_size, sha256_of(partial, cancelled=cancelled)
        return Stored(self.url_of(target), size_bytes, digest)

    def _target(self, key: str, *, make_parents: bool = True) -> Path:
        """Return the path for ``key``, its directory made."""
        _encodable(key)
        if not key or key.startswith("/") or len(os.fsencode(key)) > _MAX_KEY_BYTES:
            raise _refused(key, "is not a relative path of at most 1024 bytes")
        parent = self._inside(str(PurePosixPath(key).parent), key)
        target = parent / _single_name(PurePosixPath(key).name)
        if make_parents:
            with border(target, "making the directory"):
                parent.mkdir(parents=True, exist_ok=True)
        return target

    def _inside(self, name: str, reference: str) -> Path:
        if "\0" in name:
            raise _refused(reference, "holds a NUL character")
        _encodable(name)
        parts = PurePosixPath(name).parts
        if ".." in parts:
            raise _refused(reference, "holds '..'")
        if any(len(os.fsencode(part)) > _MAX_NAME_BYTES for part in parts):
            raise _refused(reference, "has a name longer than 255 bytes")
        try:
            path = (self.root / name).resolve()
        except (OSError, RuntimeError) as error:  # a loop of links, a path longer than the system takes
            raise _refused(reference, "cannot be resolved") from error
        if not path.is_relative_to(self.root) or (path == self.root and name != "."):
            raise _refused(reference, "lies outside the storage")
        return path


def _path_in(reference: str) -> str:
    """Return the path in a ``file://`` URL; a plain path as it is."""
    if not _SCHEME.match(reference):
        return reference
    try:
        parts = urlsplit(reference)
    except ValueError as error:
        raise _refused(reference, "is not a URL") from error
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise _refused(reference, "is not a file:// URL of this machine")
    return os.fsdecode(unquote_to_bytes(parts.path))


def _single_name(name: str) -> str:
    """Return ``name`` if it is one harmless path component."""
    if not name or name in (".", "..") or "/" in name or "\0" in name or name.startswith(PARTIAL_PREFIX):
        raise _refused(name, "is not a file name")
    _encodable(name)
    if len(os.fsencode(name)) > _MAX_NAME_BYTES:
        raise _refused(name, "is longer than 255 bytes")
    return name


def _encodable(name: str) -> None:
    """Refuse what no file can be called: half of a surrogate pair, as JSON lets through."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise _refused(name, "is not valid Unicode") from error


def _refused(reference: str, why: str) -> InvalidInput:
    return InvalidInput(f"reference {one_line(reference)!r} {why}", code="reference_invalid")
