"""``meetingtasks api`` and ``meetingtasks keys``."""

import json
import signal
import socket
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest

from tests.integration.cli.conftest import Answer
from tests.support.processes import RunningProcess

Mt = Callable[..., Answer]
MtProcess = Callable[..., RunningProcess]


def served(mt_process: MtProcess, *options: str) -> tuple[RunningProcess, str]:
    """Start an API on a free port; returns it and its address."""
    api = mt_process("api", "--port", "0", *options)
    return api, api.wait_for_line("listening on ", 30).split()[-1]


def test_a_key_is_made_shown_once_listed_and_revoked(mt: Mt) -> None:
    made = mt("keys", "create", "anna", "--scope", "tasks:read", "--user", "anna", "--json").document
    assert (made["name"], made["user_id"], made["scopes"]) == ("anna", "anna", ["tasks:read"])
    secret = made.pop("key").rpartition("_")[2]
    listed = mt("keys", "list", "--json")
    assert listed.document == [made]
    assert secret not in listed.out + mt("keys", "list").out
    assert mt("keys", "revoke", made["id"]).code == 0
    assert mt("keys", "list", "--json").document == []
    assert mt("keys", "revoke", made["id"]).code == 1


def test_the_key_alone_is_on_standard_output(mt: Mt) -> None:
    answer = mt("keys", "create", "backend", "--scope", "all")
    assert answer.out.startswith("mt_")
    assert len(answer.out.split()) == 1


def test_it_does_not_start_where_nobody_could_enter(mt: Mt) -> None:
    refused = mt("api", "--port", "0")
    assert (refused.code, "meetingtasks keys create" in refused.err) == (2, True)


def test_everybody_is_let_in_on_the_loopback_address_only(mt: Mt) -> None:
    refused = mt("api", "--insecure-local", "--host", "0.0.0.0")  # noqa: S104 - it is refused
    assert (refused.code, "loopback addresses only" in refused.err) == (2, True)


def test_a_port_that_is_taken_is_named(mt: Mt) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        refused = mt("api", "--insecure-local", "--port", str(other.getsockname()[1]))
    assert (refused.code, "cannot listen on 127.0.0.1" in refused.err) == (2, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_with_a_key_and_stops_in_good_order(mt: Mt, mt_process: MtProcess, number: signal.Signals) -> None:
    text = mt("keys", "create", "backend", "--scope", "all").out.strip()
    api, url = served(mt_process)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {text}"}) as client:
        body = {"type": "content_generation", "payload": {"topic": "AI"}}
        made = client.post("/api/v1/tasks", json=body)
        assert made.status_code == 201
        assert "server" not in made.headers
        assert client.get(made.headers["Location"], params={"token": "CANARY"}).json()["status"] == "pending"
    assert httpx.get(f"{url}/api/v1/queues").status_code == 401
    api.send(number)
    assert api.wait() == 0, api.output
    assert "the API has stopped" in api.output
    assert 'a request was answered" method=' not in api.output
    assert "path=/api/v1/tasks status=201" in api.output
    assert "CANARY" not in api.output
    assert text not in api.output
    assert "Traceback" not in api.output


def test_without_keys_a_page_of_another_name_is_refused(mt_process: MtProcess) -> None:
    _, url = served(mt_process, "--insecure-local")
    assert httpx.get(f"{url}/api/v1/queues").status_code == 200
    rebound = httpx.get(f"{url}/api/v1/queues", headers={"Host": "evil.example:8080"})
    assert (rebound.status_code, rebound.json()["error"]["code"]) == (400, "wrong_host")


def test_the_reference_of_scopes_is_the_enums(mt: Mt) -> None:
    told: Any = mt("keys", "create", "x", "--scope", "all", "--json").document
    assert json.dumps(told["scopes"]).count("admin") == 4
