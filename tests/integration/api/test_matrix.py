"""Every route of the OpenAPI document, whoever asks: without a key, with another scope, as another user, rightly."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from meetingtasks.access import SCOPES, ApiKeys, Scope
from meetingtasks.api import create_api
from meetingtasks.settings import Settings
from tests.integration.api.conftest import bearer

DOCUMENT = create_api(Settings()).openapi()
ROUTES = [
    pytest.param(method.upper(), path, operation, id=f"{method} {path}")
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
OPEN = {"/health/live", "/health/ready"}
#: what is somebody's
OWNED = ("/tasks/{task_id}", "/runs/{run_id}")
NAMES = {"name": "minutes", "queue_name": "ai_tasks", "service_name": "nobody"}


def asked(client: TestClient, method: str, path: str, headers: dict[str, str], **ids: str) -> Any:
    """Ask with a body that no route accepts: who may not come in is not told so."""
    return client.request(method, path.format(**{**NAMES, "task_id": "x", "run_id": "x", **ids}), headers=headers)


def scope_of(operation: dict[str, Any]) -> str | None:
    return operation["security"][0]["bearer"][0] if "security" in operation else None


@pytest.mark.parametrize(("method", "path", "operation"), ROUTES)
def test_a_route_is_open_to_its_scope_alone(
    anonymous: TestClient, keys: ApiKeys, method: str, path: str, operation: dict[str, Any]
) -> None:
    scope = scope_of(operation)
    if path in OPEN:
        assert (scope, asked(anonymous, method, path, {}).status_code) == (None, 200)
        return
    assert asked(anonymous, method, path, {}).status_code == 401
    others = bearer(keys, *(other for other in SCOPES if other != scope))
    assert asked(anonymous, method, path, others).status_code == 403
    right = asked(anonymous, method, path, bearer(keys, Scope(scope)))
    assert right.status_code not in (401, 403), right.text
    assert right.status_code < 500, right.text


@pytest.mark.parametrize(("method", "path", "operation"), [one for one in ROUTES if any(o in one.id for o in OWNED)])
def test_what_is_anothers_is_not_found(
    anonymous: TestClient, keys: ApiKeys, method: str, path: str, operation: dict[str, Any]
) -> None:
    ann, bob = (bearer(keys, *SCOPES, user_id=name) for name in ("ann", "bob"))
    made = anonymous.post("/api/v1/runs", json={"audio_files": ["a.wav"]}, headers=ann).json()["run_id"]
    target = path.format(**{**NAMES, "task_id": made, "run_id": made})
    body = {"from_stage": "minutes"} if method == "POST" else None
    answer = anonymous.request(method, target, headers=bob, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "task_not_found")
    assert anonymous.get(f"/api/v1/runs/{made}", headers=ann).json()["status"] == "pending"


def test_every_error_that_a_route_tells_has_the_one_form() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status >= "400" and path not in OPEN:
                    schema = answer["content"]["application/json"]["schema"]["$ref"]
                    assert schema.rpartition("/")[2] == "ProblemBody", (path, status)
