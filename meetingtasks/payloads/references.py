"""How a payload points at media: a reference to a file or object, or a little data inline as base64.

Only the form is checked here. Whether a path lies under the configured root, and whether a host may be asked, is
decided where the file is opened.
"""

from __future__ import annotations

import base64
import re
from typing import Annotated, Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, Field

from meetingtasks.payloads.texts import one_line, refuse

MAX_INLINE_BYTES: Final = 256 * 1024

_BASE64 = re.compile(r"([A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SIZE = re.compile(r"([0-9]{2,5})x([0-9]{2,5})")
_CONTENT_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9.+-]{0,100}(; ?charset=[A-Za-z0-9-]{1,40})?")

_FORMS: Final = "file:///path, s3://bucket/key or https://host/path"


def decode_inline(data: str) -> bytes:
    """Return the bytes of base64 in the standard or URL-safe alphabet, padded or not."""
    standard = data.rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)


def _inline(data: str) -> str:
    digits = len(data.rstrip("="))
    decoded_bytes = digits * 3 // 4
    if decoded_bytes > MAX_INLINE_BYTES:
        raise refuse(
            f"is {decoded_bytes} bytes decoded, above the limit of {MAX_INLINE_BYTES} (256 KiB);"
            " send a reference (file://, s3:// or https://) instead",
            "payload_too_large",
        )
    # one digit beyond a group of four holds six bits, which is no byte
    if not _BASE64.fullmatch(data) or digits % 4 == 1 or ("=" in data and len(data) % 4):
        raise refuse("must be base64 (standard or URL-safe alphabet, no line breaks)")
    return data


def _reference(text: str) -> str:
    if not _SCHEME.match(text):
        raise refuse(f"must be a reference: {_FORMS}")
    return _checked_url(text)


def _file_or_reference(text: str) -> str:
    if _SCHEME.match(text):
        return _checked_url(text)
    _check_path(text)
    return text


def _checked_url(text: str) -> str:
    parts = _split(text)
    if parts.scheme == "https":
        _check_host(parts)
        return text
    is_file = parts.scheme == "file" and parts.netloc in {"", "localhost"}
    is_object = parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc)
    if not (is_file or is_object) or len(parts.path) <= 1:
        raise refuse(f"must be a reference: {_FORMS}")
    _check_path(unquote(parts.path))
    return text


def _web_address(text: str) -> str:
    parts = _split(text)
    if parts.scheme not in {"http", "https"}:
        raise refuse("must be a web address: https://host/path")
    _check_host(parts)
    return text


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(one_line(text))
        _ = parts.port  # read here, because only the reading checks it
    except ValueError as error:
        raise refuse("must be a well-formed address") from error
    return parts


def _check_host(parts: SplitResult) -> None:
    if not parts.hostname or any(c.isspace() or c == "\\" for c in parts.netloc):
        raise refuse("must name a host: https://host/path")
    if parts.username is not None or parts.password is not None:
        raise refuse("must not carry a user name or password")


def _check_path(path: str) -> None:
    one_line(path)
    if ".." in path.replace("\\", "/").split("/"):
        raise refuse("must not contain .. as a part of its path")


def _bucket(text: str) -> str:
    if not _BUCKET.fullmatch(text):
        raise refuse("must be a bucket name: 3-63 characters of a-z, 0-9, . and -")
    return text


def _object_key(text: str) -> str:
    _check_path(text)
    if text.startswith("/"):
        raise refuse("must not begin with /")
    return text


def _frame_size(text: str) -> str:
    match = _SIZE.fullmatch(text)
    sides = [int(side) for side in match.groups()] if match else []
    # codecs with halved colour planes need even sides; 7680 is the longer side of 8K
    if not sides or any(side % 2 or not 16 <= side <= 7680 for side in sides):  # noqa: PLR2004 - explained above
        raise refuse("must be WIDTHxHEIGHT in even pixels from 16 to 7680, such as 1280x720")
    return text


def _content_type(text: str) -> str:
    if not _CONTENT_TYPE.fullmatch(text):
        raise refuse("must be a media type such as audio/wav")
    return text


MediaReference = Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_reference)]
"""``file:///path``, ``s3://bucket/key`` or ``https://host/path``; at most 2048 characters."""

MediaFile = Annotated[str, Field(min_length=1, max_length=2048), AfterValidator(_file_or_reference)]
"""A reference, or a path of this machine, which is taken under the configured root."""

InlineData = Annotated[str, Field(min_length=1), AfterValidator(_inline)]
"""Base64 of at most 256 KiB decoded; ``decode_inline`` gives the bytes."""

WebAddress = Annotated[str, Field(max_length=2048), AfterValidator(_web_address)]
"""An ``https://`` address (``http://`` only for hosts that the receiver's settings allow)."""

BucketName = Annotated[str, AfterValidator(_bucket)]
"""A bucket of an S3-like store."""

ObjectKey = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_object_key)]
"""A key inside a bucket."""

FrameSize = Annotated[str, AfterValidator(_frame_size)]
"""``WIDTHxHEIGHT`` in pixels, both even, 16 to 7680."""

ContentType = Annotated[str, AfterValidator(_content_type)]
"""A media type such as ``video/mp4``."""
