"""How much a run does: the short one for every day, the long one for the figures in the documentation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers of each kind of row; times in s."""

    kills_per_pool: int = 100
    recoveries: int = 5
    cuts: int = 20
    lease_s: float = 3.0
    delayed: int = 50_000
    delayed_over_s: float = 100.0
    big_meeting: int = 10_000
    fair_rounds: int = 20
    restarts: int = 10
    drained: int = 10_000
    paced: int = 2_000
    published: int = 5_000
    rounds: int = 5
    deep: int = 1_000_000
    lanes: int = 10_000


SHORT = Scale(
    kills_per_pool=4,
    recoveries=1,
    cuts=4,
    lease_s=1.2,
    delayed=5_000,
    delayed_over_s=8.0,
    big_meeting=2_000,
    fair_rounds=4,
    restarts=2,
    drained=1_000,
    paced=400,
    published=300,
    rounds=3,
    deep=100_000,
)
TINY = Scale(
    kills_per_pool=1,
    recoveries=1,
    cuts=2,
    lease_s=1.2,
    delayed=200,
    delayed_over_s=2.0,
    big_meeting=200,
    fair_rounds=1,
    restarts=1,
    drained=200,
    paced=200,
    published=100,
    rounds=1,
    deep=2_000,
    lanes=1_500,
)
