"""Starts a service's real Celery worker for a test."""

import sys
from collections.abc import Callable, Mapping

from tests.support.processes import ROOT, RunningProcess

SAMPLE = "tests.support.sample_service"
READY_WITHIN_S = 40.0  # a service loads its engines' libraries first, on a machine that does other things too


def start_worker(
    start_process: Callable[..., RunningProcess],
    broker_url: str,
    *options: str,
    service: str = SAMPLE,
    env: Mapping[str, str] | None = None,
) -> RunningProcess:
    """Start ``celery -A service worker`` and wait until it is ready; one thread unless ``options`` say otherwise."""
    command = [sys.executable, "-m", "celery", "-A", service, "worker", "-l", "INFO", "--without-gossip"]
    pool = () if "-P" in options else ("-P", "threads", "-c", "1")
    about = {"MT_BROKER_URL": broker_url, "MT_RETRY_BASE_S": "0.05", "PYTHONPATH": str(ROOT), **(env or {})}
    worker = start_process([*command, *pool, *options], env=about)
    worker.wait_for_line("ready.", READY_WITHIN_S)
    return worker
