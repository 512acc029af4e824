"""The connection to the store."""

import threading

import pytest

from meetingtasks.store.client import MAX_CONNECTIONS, connect, to_redis_py


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("redis://h:6379/3", "redis://h:6379/3"),
        ("rediss://:p@h/0", "rediss://:p@h/0"),
        ("redis+socket:///tmp/r.sock", "unix:///tmp/r.sock?db=0"),
        ("redis+socket:///tmp/r.sock?virtual_host=2", "unix:///tmp/r.sock?db=2"),
        ("redis+socket:///tmp/r.sock?virtual_host=/2", "unix:///tmp/r.sock?db=2"),
        ("socket:///tmp/r.sock", "unix:///tmp/r.sock?db=0"),
        ("redis+socket:///tmp/a%20b.sock?password=p%26q", "unix:///tmp/a%20b.sock?password=p%26q&db=0"),
    ],
)
def test_the_brokers_forms_of_a_url_are_understood(given: str, wanted: str) -> None:
    assert to_redis_py(given) == wanted


def test_all_threads_share_one_bounded_pool(broker_url: str) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(connect(broker_url))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    assert found[0].connection_pool.max_connections == MAX_CONNECTIONS


def test_values_are_text_and_stray_bytes_stay_readable(broker_url: str) -> None:
    client = connect(broker_url)
    client.set("k", "文\udcff")
    assert client.get("k") == "文\\udcff"
