"""Looking from outside whether an embedded server is ready, and whether its directory is free."""

from __future__ import annotations

import fcntl
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from meetingtasks import clock
from meetingtasks.errors import EmbeddedServerError

if TYPE_CHECKING:
    from pathlib import Path

    from meetingtasks.embedded.address import Address
    from meetingtasks.processes.guarded import Child

ANSWER_WITHIN_S = 0.25
PROBE_EVERY_S = 0.005
LOCK_WITHIN_S = 10.0
LOG_TAIL_LINES = 12


def answers(address: Address) -> bool:
    """Tell whether PING is answered with PONG; a server that still loads its data answers otherwise."""
    try:
        with address.connect(ANSWER_WITHIN_S) as connection:
            connection.sendall(address.greeting() + b"PING\r\n")
            reply = b""
            while part := connection.recv(256):
                reply += part
                if b"+PONG\r\n" in reply:
                    return True
                if b"\n-" in b"\n" + reply:
                    return False
    except OSError:  # nobody listens yet, or it is too busy to answer
        return False
    return False


def wait_until_it_answers(process: Child, address: Address, *, within_s: float, log: Path, log_start: int) -> None:
    """Return when the server answers; raise `EmbeddedServerError` with the end of its log when it does not."""
    deadline_s = clock.SYSTEM.monotonic_s() + within_s
    while not answers(address):
        if process.poll() is not None:
            raise _not_started(f"the embedded server ended at its start with code {process.returncode}", log, log_start)
        if clock.SYSTEM.monotonic_s() > deadline_s:
            raise _not_started(f"the embedded server did not answer within {within_s:g} s", log, log_start)
        time.sleep(PROBE_EVERY_S)


def lock(file_descriptor: int, directory: Path) -> None:
    """Take the directory's lock, waiting 10 s for a server that is just ending; raise `EmbeddedServerError`."""
    deadline_s = clock.SYSTEM.monotonic_s() + LOCK_WITHIN_S
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(file_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if clock.SYSTEM.monotonic_s() > deadline_s:
            raise EmbeddedServerError(f"another embedded server runs in {directory}", directory=str(directory))
        time.sleep(PROBE_EVERY_S)


def _not_started(what: str, log: Path, log_start: int) -> EmbeddedServerError:
    with log.open("rb") as file:
        file.seek(log_start)
        tail = file.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return EmbeddedServerError("\n".join([f"{what}; the end of {log}:", *tail]), log=str(log))
