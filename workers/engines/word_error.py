"""The word error rate: how far recognised words are from the words that were said.

Both texts are normalised first (lower case, no punctuation, typographic apostrophes made plain, one Chinese character
counts as one word), then aligned by the Levenshtein distance over words. The measure is the usual one,
(substitutions + deletions + insertions) / reference words, so it can pass 1.0.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_WORD = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_]+(?:'[^\W_]+)*")


@dataclass(frozen=True, slots=True)
class WordAlignment:
    """Counts of one cheapest alignment of a hypothesis with its reference, in words."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def reference_words(self) -> int:
        """How many words the reference has."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """How many words are wrong, missing or too many."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """The word error rate; 0.0 for two empty texts, the number of inserted words for an empty reference."""
        return self.errors / max(1, self.reference_words)


def normalise(text: str) -> list[str]:
    """Return the words of ``text`` as they are compared: lower case, without punctuation."""
    plain = unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()
    return _WORD.findall(plain)


def align(reference: str, hypothesis: str) -> WordAlignment:
    """Align two texts word by word; time and memory grow with the product of their lengths only in time."""
    expected, got = normalise(reference), normalise(hypothesis)
    # A cell is (cost, hits, substitutions, deletions, insertions) of the cheapest path to it.
    row = [(j, 0, 0, 0, j) for j in range(len(got) + 1)]
    for i, word in enumerate(expected, start=1):
        above = row
        row = [(i, 0, 0, i, 0)]
        for j, other in enumerate(got, start=1):
            cost, hits, subs, dels, ins = above[j - 1]
            same = word == other
            diagonal = (cost + (not same), hits + same, subs + (not same), dels, ins)
            cost, hits, subs, dels, ins = above[j]
            down = (cost + 1, hits, subs, dels + 1, ins)
            cost, hits, subs, dels, ins = row[j - 1]
            across = (cost + 1, hits, subs, dels, ins + 1)
            row.append(min(diagonal, down, across, key=lambda cell: cell[0]))
    _, hits, subs, dels, ins = row[-1]
    return WordAlignment(hits=hits, substitutions=subs, deletions=dels, insertions=ins)


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Return the word error rate of ``hypothesis`` against ``reference`` (0.0 is perfect, above 1.0 is possible)."""
    return align(reference, hypothesis).rate
