"""TextRank: a sentence is important when it shares words with other important sentences."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workers.engines.minutes.sentences import Sentence, words_of

_DAMPING = 0.85
_ROUNDS = 40
#: above this the table of similarities grows past some 100 MB; the longest sentences are ranked then
MAX_RANKED = 3_000
_STOP = frozenset(
    "a an and are as at be been but by can could did do does for from had has have he her him his i if in into is it "
    "its just me my no not of on or our she so that the their them then there they this to up us was we were what "
    "when which who will with would you your yes ok okay um uh well".split()
)


def ranked(sentences: list[Sentence]) -> list[Sentence]:
    """Return sentences by importance, the most important first; equals in the order of speaking."""
    candidates = [s for s in sentences if len(_content(s.text)) >= 3]  # noqa: PLR2004 - too short to say anything
    if len(candidates) > MAX_RANKED:
        longest = sorted(candidates, key=lambda s: len(s.text), reverse=True)[:MAX_RANKED]
        candidates = sorted(longest, key=lambda s: s.number)
    if not candidates:
        return []
    scores = _scores([_content(s.text) for s in candidates])
    order = sorted(range(len(candidates)), key=lambda i: (-round(float(scores[i]), 9), i))
    return [candidates[i] for i in order]


def _content(text: str) -> set[str]:
    return {word for word in words_of(text) if word not in _STOP}


def _scores(bags: list[set[str]]) -> NDArray[np.float64]:
    vocabulary = {word: place for place, word in enumerate(sorted(set().union(*bags)))}
    counts = np.zeros((len(bags), len(vocabulary)), dtype=np.float32)
    for row, bag in enumerate(bags):
        counts[row, [vocabulary[word] for word in bag]] = 1
    lengths = np.array([math.log(1 + len(bag)) for bag in bags])
    alike = (counts @ counts.T).astype(np.float64) / (lengths[:, None] + lengths[None, :])
    np.fill_diagonal(alike, 0.0)
    sums = alike.sum(axis=1)
    spread = np.divide(alike, sums[:, None], out=np.zeros_like(alike), where=sums[:, None] > 0)
    scores: NDArray[np.float64] = np.full(len(bags), 1.0)
    for _ in range(_ROUNDS):
        scores = (1 - _DAMPING) + _DAMPING * (spread.T @ scores)
    return scores
