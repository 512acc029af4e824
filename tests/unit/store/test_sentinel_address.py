"""What a ``sentinel://`` URL may say."""

import pytest

from meetingtasks.app import configuration
from meetingtasks.errors import SettingsError
from meetingtasks.settings import load
from meetingtasks.store.sentinel import SentinelAddress

SECRET = "p@ss"  # noqa: S105 - of no server
FULL = "sentinel://u:p%40ss@a:1;sentinel://b:2/3?master_name=m"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("sentinel://a", SentinelAddress(hosts=(("a", 26379),))),
        ("sentinel://a:1;sentinel://b:2/0", SentinelAddress(hosts=(("a", 1), ("b", 2)))),
        (
            FULL,
            SentinelAddress(hosts=(("a", 1), ("b", 2)), database=3, username="u", password=SECRET, master_name="m"),
        ),
        ("sentinel://:p%40ss@[::1]:1/2", SentinelAddress(hosts=(("::1", 1),), database=2, password=SECRET)),
    ],
)
def test_parts_hold_for_all_sentinels(url: str, wanted: SentinelAddress) -> None:
    assert SentinelAddress.parse(url) == wanted


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sentinel://", "write sentinels as"),
        ("sentinel://a:1;b:2", "write sentinels as"),
        ("sentinel://a:99999", "Port out of range"),
        ("sentinel://a/first", "invalid literal"),
        ("sentinel://a/0?name=m", "not name"),
    ],
)
def test_what_is_wrong_is_said(url: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        SentinelAddress.parse(url)


def test_kombu_is_told_the_same_in_its_own_words() -> None:
    told = configuration(load(broker_url=FULL), default_queue="q")
    assert told["broker_url"] == "sentinel://u:p%40ss@a:1/3;sentinel://u:p%40ss@b:2/3"
    assert told["broker_transport_options"]["master_name"] == "m"
    assert "confirm_replicas" not in told["broker_transport_options"]


def test_strict_waits_for_a_replica_where_sentinels_keep_one() -> None:
    strict = configuration(load(broker_url=FULL, durability="strict"), default_queue="q")
    assert strict["broker_transport_options"]["confirm_replicas"] == 1
    alone = configuration(load(durability="strict"), default_queue="q")
    assert "confirm_replicas" not in alone["broker_transport_options"]
