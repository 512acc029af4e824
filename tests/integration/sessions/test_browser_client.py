"""The example's client for browsers, run by Node, whose WebSocket is the browsers'."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.processes import ROOT, RunningProcess
from tests.support.service_workers import start_worker

PROGRAM = """
const [url, token] = process.argv.slice(1);
const tasks = new TaskSocket(url, token);
const first = await tasks.submit("custom_task_type_1", { echo: "你好", steps: 1 });
tasks.socket.close();
const second = await tasks.submit("custom_task_type_1", { echo: 2 });
const refused = await tasks.submit("custom_task_type_1", { refuse: true }).catch((error) => error.code);
console.log(JSON.stringify([first.data.echo, second.data.echo, refused, tasks.seen]));
process.exit(0);
"""


def test_the_browser_client_goes_on_after_a_broken_connection(
    api: Any, token: str, start_process: Callable[..., RunningProcess], broker_url: str
) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs Node, which runs the browsers' client")
    command = [node, "--experimental-websocket", "--input-type=module"]
    there = subprocess.run(
        [*command, "-e", "console.log(typeof WebSocket)"], capture_output=True, text=True, check=False
    )
    if there.stdout.strip() != "function":
        pytest.skip("needs a Node that has a WebSocket, from 20.10 on")
    start_worker(start_process, broker_url)
    client = (ROOT / "examples" / "browser_client.js").read_text("utf-8")
    done = subprocess.run(
        [*command, "-e", client + PROGRAM, "--", api.url, token],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["你好", 2, "refused", 3]
