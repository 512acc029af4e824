"""The history checker: all invariants of the guarantees over one history, with the evidence for each that is broken."""

from collections.abc import Callable, Iterator

from tests.support.history import of_tasks, of_the_whole
from tests.support.history.model import History, Violation

Invariant = Callable[[History], Iterator[str]]


def _named(module: object) -> dict[str, Invariant]:
    functions = {name: value for name, value in vars(module).items() if name[0] == "i" and name[1].isdigit()}
    return {name.split("_")[0].upper(): function for name, function in functions.items()}


INVARIANTS: dict[str, Invariant] = {**_named(of_tasks), **_named(of_the_whole)}


def check(history: History) -> list[Violation]:
    """Return every violation; an empty list says that all that was promised was kept."""
    return [
        Violation(invariant=name, evidence=evidence)
        for name, invariant in INVARIANTS.items()
        for evidence in invariant(history)
    ]
