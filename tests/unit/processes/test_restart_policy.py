from hypothesis import given
from hypothesis import strategies as st

from meetingtasks.processes import RestartPolicy


def test_the_wait_doubles_up_to_its_limit() -> None:
    policy = RestartPolicy(first_s=0.5, longest_s=3.0, give_up_after=None)

    assert [policy.wait_s(crashes) for crashes in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_it_gives_up_after_so_many_crashes_in_a_row() -> None:
    policy = RestartPolicy(give_up_after=3)

    assert policy.wait_s(2) is not None
    assert policy.wait_s(3) is None


def test_a_steady_run_ends_the_row() -> None:
    policy = RestartPolicy(steady_s=30)

    assert policy.crashes_in_a_row(4, ran_s=29.9) == 5
    assert policy.crashes_in_a_row(4, ran_s=30) == 1


@given(crashes=st.integers(min_value=1, max_value=100_000))
def test_the_wait_never_leaves_its_bounds(crashes: int) -> None:
    wait_s = RestartPolicy(first_s=0.5, longest_s=30, give_up_after=None).wait_s(crashes)

    assert wait_s is not None
    assert 0.5 <= wait_s <= 30
