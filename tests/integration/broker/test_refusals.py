"""The server refuses: its memory is full, a key is of another type, its scripts are gone. Workers go on afterwards."""

import pytest
from kombu.exceptions import OperationalError

from tests.integration.broker.fleet import Fleet
from tests.support.eventually import eventually


def test_f21_full_memory_is_a_clear_error_and_what_waits_is_still_run(fleet: Fleet) -> None:
    fleet.worker()
    for i in range(6):
        fleet.send("nap", f"task{i}", 0.3, ignore_result=True)
    fleet.client.config_set("maxmemory-policy", "noeviction")
    fleet.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(OperationalError, match="maxmemory"):
            fleet.send("add", 1, 1, retry=False)
        eventually(lambda: fleet.queue().size().counters["acked"] == 6)
    finally:
        fleet.client.config_set("maxmemory", 0)
    fleet.send("add", 1, 1)
    eventually(lambda: fleet.times("add") == 1, within_s=5)


def test_f21_a_worker_that_starts_while_memory_is_full_runs_what_waits(fleet: Fleet) -> None:
    for i in range(3):
        fleet.send("nap", f"task{i}", 0.1, ignore_result=True)
    fleet.client.config_set("maxmemory-policy", "noeviction")
    fleet.client.config_set("maxmemory", 1)
    try:
        fleet.worker()
        eventually(lambda: fleet.queue().size().counters["acked"] == 3, within_s=30)
    finally:
        fleet.client.config_set("maxmemory", 0)


def test_row_56_a_key_of_another_type_is_named_and_the_worker_goes_on_when_it_is_gone(fleet: Fleet) -> None:
    worker = fleet.worker()
    fleet.client.set("mq:{celery}:delayed", "nonsense")
    fleet.client.rpush("celery", b"wake up")
    worker.wait_for_line("The server refuses to hand out messages")
    fleet.client.delete("mq:{celery}:delayed")
    fleet.send("add", 1, 1)
    eventually(lambda: fleet.times("add") == 1)
    assert worker.popen.poll() is None


def test_a_worker_teaches_a_server_that_lost_its_scripts(fleet: Fleet) -> None:
    worker = fleet.worker()
    fleet.client.script_flush()
    fleet.send("add", 1, 1)
    eventually(lambda: fleet.times("add") == 1)
    assert "Connection to broker lost" not in worker.output
