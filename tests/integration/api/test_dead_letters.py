"""Dead letters over HTTP."""

import pytest
from fastapi.testclient import TestClient

from meetingtasks.dispatcher import TaskDispatcher
from tests.support.dead_letters import Graveyard

LETTERS = "/api/v1/dead-letters"


@pytest.fixture
def yard(client: TestClient) -> Graveyard:
    dispatcher: TaskDispatcher = client.app.state.fleet.dispatcher  # type: ignore[attr-defined]
    return Graveyard(dispatcher)


def test_d1_29_letters_are_listed_page_by_page_grouped_and_shown(client: TestClient, yard: Graveyard) -> None:
    ids = [yard.bury(f"00000000-0000-4000-8000-00000000000{n}") for n in range(3)]
    first = client.get(LETTERS, params={"limit": 2}).json()
    second = client.get(LETTERS, params={"limit": 2, "after": first["after"]}).json()
    assert {one["task_id"] for one in first["letters"] + second["letters"]} == set(ids)
    assert (len(first["letters"]), second["after"]) == (2, None)
    assert client.get(LETTERS, params={"code": "other"}).json()["letters"] == []
    (group,) = client.get(f"{LETTERS}/groups").json()
    assert (group["count"], group["code"]) == (3, "dns")
    assert client.get(f"{LETTERS}/{ids[0]}").json()["dead"] is True


def test_d1_29_a_letter_is_corrected_run_again_and_another_given_up(client: TestClient, yard: Graveyard) -> None:
    one, other, third = (yard.bury(f"00000000-0000-4000-8000-00000000001{n}") for n in range(3))
    wrong = client.patch(f"{LETTERS}/{one}", json={"payload": 5})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "invalid_payload")
    assert client.patch(f"{LETTERS}/{one}", json={"payload": {"again": 1}}).json()["payload"] == {"again": 1}
    assert client.post(f"{LETTERS}/{one}/requeue").json() == {"task_ids": [one], "refused": {}}
    assert client.post(f"{LETTERS}/{one}/requeue").status_code == 409
    assert client.get(f"/api/v1/tasks/{one}").json()["status"] == "pending"
    assert client.delete(f"{LETTERS}/{other}").status_code == 422
    assert client.delete(f"{LETTERS}/{other}", params={"confirm": other}).json() == {"purged": 1}
    assert client.post(f"{LETTERS}/requeue", json={"where": {"code": "dns"}}).json()["task_ids"] == [third]
    assert client.get(LETTERS).json() == {"letters": [], "after": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=1000000000", "after=x", "since_ms=a", "colour=red"])
def test_a_bad_filter_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"{LETTERS}?{query}").status_code == 422


def test_an_unknown_letter_is_not_found(client: TestClient) -> None:
    assert [client.get(f"{LETTERS}/x").status_code, client.post(f"{LETTERS}/x/requeue").status_code] == [404, 404]
