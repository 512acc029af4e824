"""Files that arrive in a request: parsed while they arrive and written straight into the storage, in flat memory.

A file gets its name when all of it is on the disk, so nobody meets half of one. Its place depends on who sends it, on
its content and on the request's Idempotency-Key: the repeat of a request finds the same files. What a request brought
that is then refused is removed again; after a crash of this process unnamed pieces ("`.partial-…`") may be left.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self
from urllib.parse import quote
from uuid import uuid4

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from meetingtasks.api.body import MAX_BODY_BYTES, object_of, within
from meetingtasks.errors import InvalidPayload, MalformedBody, PayloadTooLarge, ResourceError, UnsupportedMediaType

#: the name of the part that holds the request itself, and of those that hold files
REQUEST_PART: Final = "request"
FILE_PART: Final = "files"
MAX_FILES: Final = 100
#: a caller who sends nothing for so long has given up
NEXT_PIECE_WITHIN_S: Final = 30.0
#: written to the disk at once
BLOCK_BYTES: Final = 1 << 20
_DIRECTORY: Final = "uploads"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME: Final = 100


@dataclass(kw_only=True)
class _Part:
    name: str = ""
    filename: str | None = None
    pending: bytearray = field(default_factory=bytearray)
    file: IO[bytes] | None = None
    digest: Any = field(default_factory=hashlib.sha256)


@dataclass(frozen=True, kw_only=True)
class StoredUpload:
    """A file that is in the storage now; ``is_new`` when this request brought it there."""

    path: Path
    filename: str
    is_new: bool

    @property
    def url(self) -> str:
        """Its reference, as payloads take one."""
        return "file://" + quote(os.fspath(self.path))


class Uploads:
    """Reads one multipart request: ``with Uploads(...) as uploads: await uploads.read(request)``.

    ``body`` is then the object of the part ``request``, ``files`` what was stored. Leaving the block by an exception
    removes what the request brought.
    """

    def __init__(self, root: Path, *, owner: str, max_bytes: int) -> None:
        self.body: Mapping[str, Any] = {}
        self.files: list[StoredUpload] = []
        self._root = root.resolve() / _DIRECTORY
        self._owner = owner
        self._max_bytes = max_bytes
        self._part: _Part | None = None
        self._partial: Path | None = None
        self._header = ("", "")
        self._ended: list[_Part] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._drop_partial()
        if kind is not None:
            for stored in self.files:
                if stored.is_new:
                    stored.path.unlink(missing_ok=True)
                    with suppress(OSError):  # the same file has come again meanwhile
                        stored.path.parent.rmdir()

    async def read(self, request: Request) -> None:
        """Read all parts; MalformedBody, InvalidPayload, PayloadTooLarge, UnsupportedMediaType or ResourceError."""
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not 0 < len(boundary) <= 70:  # noqa: PLR2004 - RFC 2046
            raise UnsupportedMediaType("the body must be multipart/form-data with a boundary")
        parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type] # a dict with these names
        salt = request.headers.get("idempotency-key") or uuid4().hex
        size_bytes, stream = 0, request.stream().__aiter__()
        try:
            while piece := await within(anext(stream, b""), NEXT_PIECE_WITHIN_S):
                size_bytes += len(piece)
                if size_bytes > self._max_bytes:
                    raise PayloadTooLarge(f"the upload is above {self._max_bytes} bytes", limit_bytes=self._max_bytes)
                parser.write(piece)
                await self._settle(salt)
            parser.finalize()
        except FormParserError as error:
            raise MalformedBody(f"the multipart body is malformed: {error}", code="invalid_multipart") from error
        except OSError as error:
            raise ResourceError(f"the upload cannot be stored: {error.strerror}") from error
        if self._part is not None:
            raise MalformedBody("the multipart body ends within a part", code="invalid_multipart")
        if not self.files:
            raise InvalidPayload("there is no file", fields=[{"field": f"/{FILE_PART}", "problem": "is missing"}])

    # -- parsing; these run in the event loop and only collect -------------------------------------------------------

    def _callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._on_header(name=data[start:end]),
            "on_header_value": lambda data, start, end: self._on_header(value=data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._part = _Part()

    def _on_header(self, *, name: bytes = b"", value: bytes = b"") -> None:
        before = self._header
        self._header = (before[0] + name.decode("latin-1"), before[1] + value.decode("latin-1"))

    def _end_header(self) -> None:
        (name, value), self._header = self._header, ("", "")
        if name.lower() == "content-disposition" and self._part is not None:
            _, options = parse_options_header(value.encode("latin-1"))
            self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
            if b"filename" in options:
                self._part.filename = options[b"filename"].decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        assert self._part is not None  # noqa: S101 - the parser calls in this order
        self._part.pending += memoryview(data)[start:end]

    def _end(self) -> None:
        assert self._part is not None  # noqa: S101 - the parser calls in this order
        self._ended.append(self._part)
        self._part = None

    # -- storing; in a thread, since disks wait ----------------------------------------------------------------------

    async def _settle(self, salt: str) -> None:
        for part in self._ended:
            if part.name == REQUEST_PART:
                self.body = object_of(bytes(part.pending))
            else:
                self._check_file(part)
                await asyncio.to_thread(self._store, part, salt)
        self._ended.clear()
        current = self._part
        if current is None:
            return
        if current.name == REQUEST_PART and len(current.pending) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"the part {REQUEST_PART!r} is above {MAX_BODY_BYTES // 1024} KiB")
        if current.name != REQUEST_PART and len(current.pending) >= BLOCK_BYTES:
            self._check_file(current)
            await asyncio.to_thread(self._write, current)

    def _check_file(self, part: _Part) -> None:
        if part.name != FILE_PART or part.filename is None:
            problem = f"unknown part; use {REQUEST_PART!r} and {FILE_PART!r} with a file name"
            raise InvalidPayload(f"{part.name[:100]!r}: {problem}", fields=[{"field": "", "problem": problem}])
        if len(self.files) >= MAX_FILES:
            raise PayloadTooLarge(f"there are more than {MAX_FILES} files", limit=MAX_FILES)

    def _write(self, part: _Part) -> None:
        if part.file is None:
            self._root.mkdir(parents=True, exist_ok=True)
            self._partial = self._root / f".partial-{uuid4().hex}"
            part.file = self._partial.open("xb")
        part.file.write(part.pending)
        part.digest.update(part.pending)
        part.pending.clear()

    def _store(self, part: _Part, salt: str) -> None:
        """Write the rest, then give the file its name; both are on the disk before the request is answered."""
        if part.file is None and not part.pending:
            raise InvalidPayload("a file is empty", fields=[{"field": f"/{FILE_PART}", "problem": "is empty"}])
        self._write(part)
        assert part.file is not None  # noqa: S101 - opened by _write
        assert self._partial is not None  # noqa: S101 - made by _write
        with part.file as file:
            file.flush()
            os.fsync(file.fileno())
        place = hashlib.sha256(f"{self._owner}\x00{salt}\x00{part.digest.hexdigest()}".encode()).hexdigest()
        target = self._root / place / _safe_name(part.filename or "")
        target.parent.mkdir(exist_ok=True)
        is_new = not target.exists()
        self._partial.replace(target)
        self._partial = None
        _sync_directory(target.parent)
        self.files.append(StoredUpload(path=target, filename=(part.filename or "")[:_LONGEST_NAME], is_new=is_new))

    def _drop_partial(self) -> None:
        if self._part is not None and self._part.file is not None:
            self._part.file.close()
        if self._partial is not None:
            self._partial.unlink(missing_ok=True)


def _safe_name(filename: str) -> str:
    """Return a plain name: the last component, of harmless characters, not hidden."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    return _UNSAFE.sub("_", last).lstrip(".")[-_LONGEST_NAME:] or "file"


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
