"""From a payload's reference or inline data to a local file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from meetingtasks.context import TaskContext
from meetingtasks.errors import BusinessError
from meetingtasks.payloads.common import AudioFields
from meetingtasks.payloads.references import decode_inline
from workers.base import storage
from workers.engines.media.limits import PcmLayout


def local_file(reference: str) -> Path:
    """Return the local file behind a reference; BusinessError for a scheme that is not configured."""
    scheme, separator, _ = reference.partition("://")
    if separator and scheme != "file":
        raise BusinessError(
            f"{scheme}:// references cannot be fetched by this installation; put the file under the storage root",
            code="engine_not_configured",
            scheme=scheme,
        )
    return storage().path_of(reference)


@contextmanager
def audio_file(payload: AudioFields, ctx: TaskContext) -> Iterator[Path]:
    """Give the payload's audio as a local file; inline data lives in a scratch directory that goes with the block."""
    if payload.audio_url is not None:
        yield local_file(payload.audio_url)
        return
    with storage().scratch(f"{ctx.task_id}-{ctx.attempt}") as scratch:
        path = scratch / f"inline.{payload.format}"
        path.write_bytes(decode_inline(payload.audio_data or ""))
        yield path


def layout(payload: AudioFields) -> PcmLayout | None:
    """Return how headerless samples are to be read; None for every other format."""
    if payload.format != "pcm_s16le":
        return None
    return PcmLayout(payload.sample_rate, payload.channels)


def result_key(ctx: TaskContext, name: str) -> str:
    """Return the storage key of one of a task's result files: the same for every attempt."""
    return f"results/{ctx.task_id}/{name}"
