"""The runs of a history: when the code of each attempt ran, standing still not counted."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.history.model import Effect, History


@dataclass(frozen=True)
class CodeRun:
    """One attempt's code, from its first line until it was done or its process was killed."""

    task_id: str
    attempt: int
    pid: int
    start_s: float
    end_s: float

    def overlap_s(self, other: "CodeRun") -> float:
        """Return for how long both ran."""
        return max(0.0, min(self.end_s, other.end_s) - max(self.start_s, other.start_s))


def runs(history: History) -> Iterator[CodeRun]:
    """Return the runs whose end is known; of one that was given up by its code nobody can tell."""
    done = {(effect.task_id, effect.attempt): effect.at_s for effect in history.effects if effect.word == "end"}
    for effect in history.effects:
        if effect.word != "start":
            continue
        end_s = done.get((effect.task_id, effect.attempt)) or _killed_s(history, effect)
        if end_s is not None:
            yield CodeRun(effect.task_id, effect.attempt, effect.pid, effect.at_s, end_s)


def stood_still_s(history: History, run: CodeRun) -> float:
    """Return for how long a run's process was stopped while it ran."""
    pauses = [fault for fault in history.faults if not fault.kills and run.pid in fault.pids]
    return sum(max(0.0, min(fault.until_s, run.end_s) - max(fault.at_s, run.start_s)) for fault in pauses)


def _killed_s(history: History, start: Effect) -> float | None:
    kills = [fault.at_s for fault in history.faults if fault.kills and start.pid in fault.pids]
    return min((at_s for at_s in kills if at_s >= start.at_s), default=None)
