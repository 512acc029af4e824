"""What is broken on purpose, one function for each fault; each returns when the arena works again."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import RedisError

from meetingtasks.broker import scripts
from tests.support.chaos.arena import Arena, family
from tests.support.eventually import eventually
from tests.support.processes import is_running

Break = Callable[[Arena], None]


def f1_kill_a_worker(arena: Arena) -> None:
    """SIGKILL for a worker's main process; its pool processes end with it."""
    worker = arena.pick()
    pids = family(worker.pid)
    worker.send(signal.SIGKILL)
    worker.wait()
    arena.fault(pids, slots=arena.slots)
    eventually(lambda: not any(is_running(pid) for pid in pids))
    arena.dismiss(worker)
    arena.replace()


def f2_kill_a_pool_process(arena: Arena) -> None:
    """SIGKILL for one pool process; its worker lives on."""
    pid = arena.random.choice(family(arena.pick().pid)[1:])
    with suppress(ProcessLookupError):  # it was being replaced
        os.kill(pid, signal.SIGKILL)
    arena.fault([pid], slots=1)


def f4_stop_and_wake_a_worker(arena: Arena) -> None:
    """SIGSTOP for a worker with all its processes, for longer than its leases."""
    worker = arena.pick()
    pids, at_s = family(worker.pid), time.time()
    os.killpg(worker.pid, signal.SIGSTOP)
    eventually(lambda: time.time() - at_s > 1.5 * arena.lease_s, 2 * arena.lease_s + 30)
    os.killpg(worker.pid, signal.SIGCONT)
    arena.fault(pids, slots=arena.slots, at_s=at_s, kills=False)


def f7_replace_a_worker(arena: Arena) -> None:
    """SIGTERM for a worker while its successor starts: nothing may run twice by it."""
    worker = arena.pick()
    arena.dismiss(worker)
    worker.send(signal.SIGTERM)
    arena.replace()
    assert worker.wait(60) == 0, worker.output


def f8_stop_a_worker_at_once(arena: Arena) -> None:
    """SIGQUIT: what runs is ended and given back."""
    worker = arena.pick()
    pids = family(worker.pid)
    worker.send(signal.SIGQUIT)
    worker.wait()
    arena.fault(pids, slots=arena.slots)
    arena.dismiss(worker)
    arena.replace()


def f9_restart_the_server(arena: Arena) -> None:
    """SIGTERM for the server, which writes all it knows, and a new one on its files."""
    arena.server.restart()


def f10_kill_the_server(arena: Arena) -> None:
    """SIGKILL for the server; what it wrote to its file is in the kernel's hands."""
    arena.server.kill()
    arena.server.restart()


def f11_kill_the_server_that_syncs_each_write(arena: Arena) -> None:
    """SIGKILL for a server that writes each command to the disk (``appendfsync always``)."""
    arena.client.config_set("appendfsync", "always")
    f10_kill_the_server(arena)


def f17_silence_the_link(arena: Arena) -> None:
    """Nothing passes for half a lease, and no connection breaks."""
    at_s = time.time()
    arena.proxy.fall_silent()
    eventually(lambda: time.time() - at_s > arena.lease_s / 2, 30)
    arena.proxy.recover()


def f18_cut_the_link(arena: Arena) -> None:
    """Every worker's connections break at once, several times."""
    for _ in range(3):
        arena.proxy.cut()
        arena.progress(1)


def f19_swallow_a_reply(arena: Arena) -> None:
    """Let the server execute a command whose reply never comes."""
    command = arena.random.choice(["fetch", "renew", "ack"])
    arena.proxy.swallow_reply_to(scripts.load(command).sha.encode())
    arena.progress(3)


def f20_pause_the_server(arena: Arena) -> None:
    """Let the server answer nobody for almost half a lease."""
    arena.client.client_pause(round(arena.lease_s * 400))
    arena.progress(1)


def f21_fill_the_memory(arena: Arena) -> None:
    """Let the server refuse what needs memory, until it has more."""
    used_bytes = arena.client.info("memory")["used_memory"]
    arena.client.config_set("maxmemory", used_bytes)
    at_s = time.time()
    with suppress(RedisError):
        eventually(lambda: time.time() - at_s > arena.lease_s / 2, 30)
    arena.client.config_set("maxmemory", 0)


PROCESSES: tuple[Break, ...] = (
    f1_kill_a_worker,
    f2_kill_a_pool_process,
    f4_stop_and_wake_a_worker,
    f7_replace_a_worker,
    f8_stop_a_worker_at_once,
)
SERVER: tuple[Break, ...] = (
    f9_restart_the_server,
    f10_kill_the_server,
    f11_kill_the_server_that_syncs_each_write,
    f20_pause_the_server,
    f21_fill_the_memory,
)
LINKS: tuple[Break, ...] = (f17_silence_the_link, f18_cut_the_link, f19_swallow_a_reply)
