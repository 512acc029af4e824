"""The task types of the pipeline's own parts. Producers never submit them: ``process_recording`` does."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from meetingtasks.catalogue import Pool, TaskType
from meetingtasks.retry import RetryBudget
from meetingtasks.task_types import CATALOGUE


class StagePayload(BaseModel):
    """A stage of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: Annotated[str, Field(min_length=1, max_length=200, description="The run, and its task")]


class PartPayload(StagePayload):
    """One part of a stage that is worked on in parts."""

    index: Annotated[int, Field(ge=0, le=1_000_000, description="The part's place, from 0")]


class ClosePayload(StagePayload):
    """A stage whose parts have all been tried."""

    stage: Annotated[str, Field(min_length=1, max_length=40, description="The stage")]


def _internal(
    name: str, service: str, payload: type[BaseModel], *, soft_s: int, media_factor: int = 0, pool: Pool = Pool.CPU
) -> TaskType:
    return TaskType(
        name=name,
        service=service,
        queue=f"{service}_tasks",
        payload=payload,
        soft_limit_s=soft_s,
        hard_limit_s=soft_s + 30,
        media_factor=media_factor,
        retries=RetryBudget(network=3, transient=2, resource=1),
        pool=pool,
        summary="a part of process_recording",
    )


#: stage -> the task type that does it, or one part of it
STAGE_TYPES: Final = {
    "ingest": _internal("run_ingest", "media", StagePayload, soft_s=120, media_factor=1),
    "denoise": _internal("run_denoise", "ai", StagePayload, soft_s=120, media_factor=1),
    "split": _internal("run_split", "media", StagePayload, soft_s=120, media_factor=1),
    "transcribe": _internal("run_transcribe", "ai", PartPayload, soft_s=300),
    "emotion": _internal("run_emotion", "ai", PartPayload, soft_s=120),
    "minutes": _internal("run_minutes", "ai", StagePayload, soft_s=180),
    "notify": _internal("run_notify", "meeting", StagePayload, soft_s=30, pool=Pool.IO),
}
CLOSE_TYPE: Final = _internal("run_close_stage", "meeting", ClosePayload, soft_s=60, pool=Pool.IO)

for _type in (*STAGE_TYPES.values(), CLOSE_TYPE):
    if _type.name not in CATALOGUE:
        CATALOGUE.add(_type)
