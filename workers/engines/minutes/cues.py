"""What a sentence is to the minutes: a decision, a task and whose; each language has its own patterns."""

from __future__ import annotations

from collections.abc import Sequence

from workers.engines.minutes import chinese, english
from workers.engines.minutes.sentences import Sentence, is_chinese


def is_decision(text: str) -> bool:
    """Tell whether a sentence states something that was decided."""
    return chinese.is_decision(text) if is_chinese(text) else english.is_decision(text)


def is_action(text: str, names: Sequence[str] = ()) -> bool:
    """Tell whether a sentence gives someone something to do; ``names`` are the people known to take part."""
    return chinese.is_action(text, names) if is_chinese(text) else english.is_action(text)


def owner_of(sentence: Sentence, names: Sequence[str]) -> str | None:
    """Return who is to do what ``sentence`` says; ``names`` are the people known to take part."""
    owner = chinese.owner_of if is_chinese(sentence.text) else english.owner_of
    return owner(sentence.text, sentence.speaker, names)
