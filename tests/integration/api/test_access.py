"""Who may do what over HTTP."""

import time
from pathlib import Path

import jwt
import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from meetingtasks.access import ApiKeys, Scope
from meetingtasks.api import create_api
from meetingtasks.api.guard import checked
from meetingtasks.errors import BusinessError, SettingsError, Unauthorized
from meetingtasks.settings import load
from tests.integration.api.conftest import bearer

SECRET = "a key of the platform's login service, long enough for every algorithm"  # noqa: S105 - of this test alone
TASK = {"type": "content_generation", "payload": {"topic": "AI"}}


def test_without_a_key_only_the_health_is_told(anonymous: TestClient) -> None:
    assert anonymous.get("/health/live").status_code == 200
    refused = anonymous.get("/api/v1/tasks/x")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert refused.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Basic abc", "Bearer mt_0_x", "Bearer mt_" + "0" * 12 + "_" + "a" * 43]
)
def test_a_key_that_is_none_is_refused(anonymous: TestClient, shown: str) -> None:
    assert anonymous.get("/api/v1/tasks/x", headers={"Authorization": shown}).status_code == 401


def test_a_key_opens_what_its_scopes_say(anonymous: TestClient, keys: ApiKeys) -> None:
    reader = bearer(keys, Scope.TASKS_READ)
    assert anonymous.get("/api/v1/tasks/x", headers=reader).status_code == 404
    refused = anonymous.post("/api/v1/tasks", json=TASK, headers=reader)
    assert (refused.status_code, refused.json()["error"]["details"]) == (403, {"scope": "tasks:submit"})


def test_a_user_sees_only_its_own_tasks(anonymous: TestClient, keys: ApiKeys) -> None:
    rights = (Scope.TASKS_READ, Scope.TASKS_SUBMIT, Scope.TASKS_CANCEL)
    ann, bob = (bearer(keys, *rights, user_id=name) for name in ("ann", "bob"))
    task_id = anonymous.post("/api/v1/tasks", json=TASK, headers=ann).json()["task_id"]
    path = f"/api/v1/tasks/{task_id}"
    assert anonymous.get(path, headers=ann).json()["user_id"] == "ann"
    assert [anonymous.get(path, headers=bob).status_code, anonymous.delete(path, headers=bob).status_code] == [404, 404]
    assert anonymous.get(path, headers=ann).json()["status"] == "pending"
    assert anonymous.post("/api/v1/tasks", json={**TASK, "user_id": "ann"}, headers=bob).status_code == 403


def test_a_revoked_key_is_refused_at_once(anonymous: TestClient, keys: ApiKeys) -> None:
    key, text = keys.create("old", [Scope.TASKS_READ])
    headers = {"Authorization": f"Bearer {text}"}
    assert anonymous.get("/api/v1/tasks/x", headers=headers).status_code == 404
    assert keys.revoke(key.id)
    assert anonymous.get("/api/v1/tasks/x", headers=headers).status_code == 401


def test_a_key_is_kept_only_as_a_hash(keys: ApiKeys, broker_url: str) -> None:
    _, text = keys.create("one", [Scope.TASKS_READ])
    kept = str(keys._store.all())
    assert text.rsplit("_", 1)[1] not in kept
    assert keys.principal(text).scopes == {Scope.TASKS_READ}
    with pytest.raises(Unauthorized):
        keys.principal(text[:-1] + ("a" if text[-1] != "a" else "b"))


def test_a_key_needs_a_name_and_a_scope(keys: ApiKeys) -> None:
    for name, scopes in (("", [Scope.TASKS_READ]), ("a\nb", [Scope.TASKS_READ]), ("fine", [])):
        with pytest.raises(BusinessError):
            keys.create(name, scopes)
    assert not keys.any()


def token(**claims: object) -> dict[str, str]:
    text = jwt.encode({"sub": "ann", "aud": "meetingtasks", "exp": time.time() + 60, **claims}, SECRET, "HS256")
    return {"Authorization": f"Bearer {text}"}


def test_a_token_of_the_login_service_stands_for_its_user(broker_url: str) -> None:
    with TestClient(create_api(load(broker_url=broker_url, jwt_key=SECRET))) as client:
        made = client.post("/api/v1/tasks", json=TASK, headers=token(scope="tasks:submit tasks:read"))
        assert made.status_code == 201
        seen = client.get(f"/api/v1/tasks/{made.json()['task_id']}", headers=token(scope="tasks:read"))
        assert seen.json()["user_id"] == "ann"
        assert client.get("/api/v1/tasks/x", headers=token()).status_code == 403
        for wrong in ({"exp": time.time() - 60}, {"aud": "other"}, {"sub": None}):
            assert client.get("/api/v1/tasks/x", headers=token(scope="tasks:read", **wrong)).status_code == 401


def test_a_token_cannot_choose_its_algorithm(broker_url: str) -> None:
    claims = {"sub": "ann", "aud": "meetingtasks", "exp": time.time() + 60, "scope": "tasks:read"}
    with TestClient(create_api(load(broker_url=broker_url, jwt_key=SECRET))) as client:
        for text in (jwt.encode(claims, "", "none"), jwt.encode(claims, SECRET, "HS512")):
            assert client.get("/api/v1/tasks/x", headers={"Authorization": f"Bearer {text}"}).status_code == 401


def test_a_route_without_an_access_rule_does_not_start() -> None:
    router = APIRouter()
    router.add_api_route("/hole", lambda: {"open": True})
    with pytest.raises(SettingsError, match="/api/hole has no access rule"):
        checked([("/api", router)])


def test_only_pages_of_the_allowed_origins_may_use_it_from_a_browser(broker_url: str) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization"}
    api = create_api(load(broker_url=broker_url, api_origins=("https://meet.example",)))
    with TestClient(api) as client:
        for origin, allowed in (("https://meet.example", "https://meet.example"), ("https://other.example", None)):
            answer = client.options("/api/v1/tasks", headers={"Origin": origin, **asks})
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    with TestClient(create_api(load(broker_url=broker_url))) as client:
        answer = client.get("/health/live", headers={"Origin": "https://meet.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(("outbox", "status", "told"), [("off", 503, "broker_away"), ("kept", 200, "buffering")])
def test_it_says_whether_submissions_are_accepted_while_the_broker_is_away(
    outbox: str, status: int, told: str, tmp_path: Path
) -> None:
    path = "off" if outbox == "off" else str(tmp_path / outbox)
    with TestClient(create_api(load(broker_url="redis://127.0.0.1:1/0", outbox_path=path))) as client:
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()) == (status, {"status": told})
