from __future__ import annotations

import pytest

from workers.engines.word_error import align, normalise, word_error_rate


def test_equal_words_have_no_error_whatever_their_case_and_punctuation() -> None:
    assert word_error_rate("Go forward, ten meters!", "go forward ten METERS") == 0.0


@pytest.mark.parametrize(
    ("hypothesis", "rate"),
    [
        ("go forward ten", 0.25),
        ("go forward twenty meters", 0.25),
        ("go forward by ten meters", 0.25),
        ("", 1.0),
        ("we went home and then slept on", 7 / 4),
    ],
)
def test_each_kind_of_error_counts_one(hypothesis: str, rate: float) -> None:
    assert word_error_rate("go forward ten meters", hypothesis) == pytest.approx(rate)


def test_the_alignment_counts_hits_substitutions_deletions_and_insertions() -> None:
    found = align("please send the report by friday", "please sent report by next friday")
    assert (found.hits, found.substitutions, found.deletions, found.insertions) == (4, 1, 1, 1)
    assert found.reference_words == 6
    assert found.errors == 3


def test_an_empty_reference_counts_the_inserted_words() -> None:
    assert word_error_rate("", "") == 0.0
    assert word_error_rate("", "two words") == 2.0


def test_an_apostrophe_stays_inside_its_word_and_is_made_plain() -> None:
    assert normalise("I\u2019m sure it's 'fine'") == ["i'm", "sure", "it's", "fine"]


def test_a_chinese_character_counts_as_a_word() -> None:
    assert word_error_rate("明天开会", "今天开会") == pytest.approx(0.25)
