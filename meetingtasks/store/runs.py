"""The records of pipeline runs: the truth about which stage is done, which part is missing, and how far it all is.

A stage's facts and parts are written before the stage is closed, and closing is one "first one wins" mark. So a crash
between any two of them leaves a run that can be taken up again from what is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from redis.client import Pipeline

from meetingtasks.store import keys
from meetingtasks.store.client import Client
from meetingtasks.store.scripts import Value, load

RECENT_RUNS = 1000
#: the stages of a recording's run, in order, with their share of the percent
STAGE_WEIGHTS: Final[Mapping[str, int]] = {
    "ingest": 3,
    "denoise": 12,
    "split": 5,
    "transcribe": 50,
    "emotion": 10,
    "minutes": 15,
    "notify": 5,
}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How far one stage of a run is."""

    name: str
    state: str  # waiting, running, done, skipped; stopped: its run ended while it was running
    done: int = 0
    total: int = 0
    started_ms: int | None = None
    ended_ms: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run of the pipeline; its id is the id of its task."""

    id: str
    state: str  # running, completed, failed, cancelled
    created_ms: int
    ended_ms: int | None
    heard_ms: int  # when something was last heard of it
    token: str  # by which the run may report for its task
    spec: dict[str, Any]
    percent: float
    message: str
    eta_s: float | None
    stages: tuple[Stage, ...]
    outcome: dict[str, Any]

    def stage(self, name: str) -> Stage:
        """Return one stage; KeyError when the pipeline has none of that name."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    @property
    def current(self) -> Stage | None:
        """The first stage that is not over, or None."""
        return next((stage for stage in self.stages if stage.state in ("running", "waiting")), None)


class RunStore:
    """The runs on one server."""

    def __init__(self, client: Client, *, record_ttl_s: int = 86_400) -> None:
        self._client = client
        self._ttl_s = record_ttl_s

    def create(self, run_id: str, spec: Mapping[str, Any], *, token: str) -> bool:
        """Begin a run; False when it is there already: then only its token is replaced by the newer one."""
        new = load("run_create")(
            self._client,
            [keys.run(run_id), keys.RUNS_LIVE, keys.RUNS_RECENT],
            [run_id, RECENT_RUNS, "spec", _dump(spec), "token", token],
        )
        if not new:
            self._note(run_id, {"token": token})
        return bool(new)

    def get(self, run_id: str) -> RunRecord | None:
        """Read a run in one round trip, or None."""
        pipe = self._client.pipeline(transaction=False)
        pipe.hgetall(keys.run(run_id))
        for name in STAGE_WEIGHTS:
            pipe.hlen(keys.run_parts(run_id, name))
        fields, *kept = pipe.execute()
        return _read(fields, dict(zip(STAGE_WEIGHTS, kept, strict=True))) if fields.get("state") else None

    def begin_stage(self, run_id: str, stage: str, *, total: int, now_ms: int) -> None:
        """Note that a stage has begun and how many parts it has; the first note of its start stays."""
        self._note(run_id, {f"total:{stage}": total, "heard_ms": now_ms}, first=(f"started:{stage}", now_ms))

    def set_facts(self, run_id: str, stage: str, facts: Mapping[str, Any]) -> None:
        """Keep what a stage found out; written before the stage is closed."""
        self._note(run_id, {f"facts:{stage}": _dump(facts)})

    def close_stage(self, run_id: str, stage: str, *, now_ms: int, skipped: bool = False) -> bool:
        """Close a stage; True for the one who closed it."""
        return self._note(run_id, {f"skipped:{stage}": "1"} if skipped else {}, first=(f"ended:{stage}", now_ms))

    def keep_part(self, run_id: str, stage: str, index: int, outcome: Mapping[str, Any], *, release: bool) -> int:
        """Keep a part's outcome (the first one stays); returns how many are kept. ``release``: in order, as heard."""
        reply = load("run_part")(
            self._client,
            [
                *(keys.run(run_id), keys.run_parts(run_id, stage), keys.run_released(run_id)),
                keys.event_stream("ai_events"),
            ],
            [
                *(stage, index, _dump({**outcome, "index": index}), "1" if release else "0", run_id),
                *(keys.KEPT_EVENTS, keys.KEPT_EVENTS_MS),
            ],
        )
        return int(reply[0])

    def parts(self, run_id: str, stage: str) -> dict[int, dict[str, Any]]:
        """Return the kept outcomes of a stage's parts by index."""
        found = self._client.hgetall(keys.run_parts(run_id, stage))
        return {int(index): json.loads(text) for index, text in sorted(found.items(), key=lambda item: int(item[0]))}

    def released(self, run_id: str, since: int = 0) -> list[dict[str, Any]]:
        """Return the transcript's parts in order, from number ``since``."""
        return [json.loads(text) for text in self._client.lrange(keys.run_released(run_id), since, -1)]

    def report(self, run_id: str, *, percent: float, message: str, eta_s: float | None) -> None:
        """Keep how far the run is, as its task was told."""
        self._note(run_id, {"percent": percent, "message": message, "eta_s": "" if eta_s is None else round(eta_s, 1)})

    def next_round(self, run_id: str, stage: str) -> int:
        """Count how often a stage was opened; returns this opening's number, from 1."""
        return int(load("run_round")(self._client, [keys.run(run_id)], [stage]))

    def end(self, run_id: str, outcome: Mapping[str, Any], *, pipe: Pipeline | None = None) -> str:
        """End a run as its task has ended; returns the state that stands (an earlier end stays).

        With ``pipe`` the command only joins that transaction, behind the task's end; ``running`` is returned.
        """
        script = load("run_end")
        further = [keys.run_parts(run_id, stage) for stage in STAGE_WEIGHTS]
        script_keys = [keys.run(run_id), keys.RUNS_LIVE, keys.task(run_id), *further, keys.run_released(run_id)]
        args: list[Value] = [run_id, self._ttl_s, _dump(outcome)]
        if pipe is not None:
            pipe.script_load(script.source)
            script.put_on(pipe, script_keys, args)
            return "running"
        return str(script(self._client, script_keys, args))

    def _note(self, run_id: str, fields: Mapping[str, Value], *, first: tuple[str, Value] = ("", "")) -> bool:
        pairs = [part for pair in fields.items() for part in pair]
        return bool(load("run_note")(self._client, [keys.run(run_id)], [*first, *pairs]))

    def live_ids(self) -> list[str]:
        """Return the ids of runs that have not ended, oldest first."""
        return list(self._client.zrange(keys.RUNS_LIVE, 0, -1))

    def recent_ids(self, limit: int = 20) -> list[str]:
        """Return the ids of the newest runs."""
        return list(self._client.zrange(keys.RUNS_RECENT, 0, limit - 1, desc=True))


def _read(fields: Mapping[str, str], kept: Mapping[str, int]) -> RunRecord:
    return RunRecord(
        id=fields["id"],
        state=fields["state"],
        created_ms=int(fields["created_ms"]),
        ended_ms=int(fields["ended_ms"]) if "ended_ms" in fields else None,
        heard_ms=int(fields["heard_ms"]),
        token=fields.get("token", ""),
        spec=json.loads(fields["spec"]),
        percent=float(fields.get("percent", "0")),
        message=fields.get("message", ""),
        eta_s=float(fields["eta_s"]) if fields.get("eta_s") else None,
        stages=tuple(_stage(name, fields, kept[name]) for name in STAGE_WEIGHTS),
        outcome=json.loads(fields.get("outcome") or "{}"),
    )


def _stage(name: str, fields: Mapping[str, str], kept: int) -> Stage:
    started, ended = fields.get(f"started:{name}"), fields.get(f"ended:{name}")
    if ended is not None:
        state = "skipped" if f"skipped:{name}" in fields else "done"
    else:
        under_way = "running" if fields["state"] == "running" else "stopped"
        state = under_way if started is not None else "waiting"
    total = int(fields.get(f"total:{name}", "0"))
    return Stage(
        name=name,
        state=state,
        done=max(kept, total) if state == "done" else kept,
        total=total,
        started_ms=int(started) if started else None,
        ended_ms=int(ended) if ended else None,
        facts=json.loads(fields.get(f"facts:{name}") or "{}"),
    )


def percent_of(stages: Sequence[Stage]) -> float:
    """Return how far the stages are together; a skipped stage gives its share to the rest."""
    counted = [stage for stage in stages if stage.state != "skipped"]
    whole = sum(STAGE_WEIGHTS[stage.name] for stage in counted)
    reached = sum(STAGE_WEIGHTS[stage.name] * _share(stage) for stage in counted)
    return round(100.0 * reached / whole, 1) if whole else 100.0


def _share(stage: Stage) -> float:
    if stage.state == "done":
        return 1.0
    return min(1.0, stage.done / stage.total) if stage.total else 0.0


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
