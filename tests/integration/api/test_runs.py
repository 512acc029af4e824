"""Runs of the recording pipeline over HTTP, without workers: what is accepted, stored, shown, cancelled, repeated."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from meetingtasks.access import ApiKeys, Scope
from meetingtasks.api import create_api
from meetingtasks.api.fleet import Fleet
from meetingtasks.api.uploads import _safe_name
from meetingtasks.settings import load
from tests.integration.api.conftest import bearer

RUNS = "/api/v1/runs"
BY_REFERENCE = {"audio_files": ["uploads/meeting.flac"], "meeting_date": "2026-03-02", "meeting_id": "456"}


@pytest.fixture
def api(broker_url: str, tmp_path: Path) -> FastAPI:
    return create_api(load(broker_url=broker_url, storage_root=tmp_path, api_upload_max_bytes=4_000_000))


@pytest.fixture
def fleet(client: TestClient) -> Fleet:
    found: Fleet = client.app.state.fleet  # type: ignore[attr-defined]
    return found


def files_under(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def upload(client: TestClient, *contents: bytes, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    parts = [("files", (f"part {n}.flac", content, "audio/flac")) for n, content in enumerate(contents)]
    return client.post(RUNS, data={"request": json.dumps(fields)}, files=parts, headers=headers)


def test_a_run_by_reference_is_accepted_and_shown_before_it_begins(client: TestClient) -> None:
    made = client.post(RUNS, json={**BY_REFERENCE, "priority": 20})
    assert made.status_code == 201
    seen = client.get(made.headers["Location"]).json()
    assert (seen["status"], seen["meeting_id"], seen["percent"]) == ("pending", "456", 0)
    assert {stage["state"] for stage in seen["stages"]} == {"waiting"}
    assert client.get(f"/api/v1/tasks/{seen['run_id']}").json()["priority"] == "critical"


def test_a_recording_of_1_gb_by_reference_is_answered_without_being_read(client: TestClient, tmp_path: Path) -> None:
    with (tmp_path / "large.wav").open("wb") as file:
        file.truncate(1 << 30)
    read_before = int(Path("/proc/self/io").read_text().split()[1])
    assert client.post(RUNS, json={"audio_files": ["large.wav"]}).status_code == 201
    assert int(Path("/proc/self/io").read_text().split()[1]) - read_before < 50 << 20


def test_an_upload_is_stored_whole_and_its_repeat_is_the_same_run(client: TestClient, tmp_path: Path) -> None:
    first, second = b"one" * 900_000, b"two"
    headers = {"Idempotency-Key": "upload 1"}
    made, again = (upload(client, first, second, headers=headers, title="A") for _ in range(2))
    assert (made.status_code, again.status_code, again.json()["run_id"]) == (201, 200, made.json()["run_id"])
    payload = client.get(f"/api/v1/tasks/{made.json()['run_id']}").json()["payload"]
    stored = [Path(unquote(urlsplit(url).path)) for url in payload["audio_files"]]
    assert [path.read_bytes() for path in stored] == [first, second]
    assert (payload["original_filenames"], payload["title"]) == (["part 0.flac", "part 1.flac"], "A")
    assert sorted(stored) == sorted(files_under(tmp_path))


@pytest.mark.parametrize(
    ("content_type", "raw", "status"),
    [
        ("multipart/form-data", b"", 415),
        ("multipart/form-data; boundary=" + "b" * 71, b"", 415),
        ("multipart/form-data; boundary=b", b"", 422),
        ("multipart/form-data; boundary=b", b"nonsense", 400),
        ("multipart/form-data; boundary=b", b"--b--\r\n", 422),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\ncut off',
            400,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n\r\n--b--\r\n',
            422,
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nx\r\n--b--\r\n',
            422,
        ),
    ],
    ids=["no boundary", "long boundary", "empty", "nonsense", "no file", "cut off", "empty file", "unknown part"],
)
def test_a_malformed_upload_is_refused_and_leaves_nothing(
    client: TestClient, tmp_path: Path, content_type: str, raw: bytes, status: int
) -> None:
    answer = client.post(RUNS, content=raw, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text
    assert files_under(tmp_path) == []


@pytest.mark.parametrize(
    ("fields", "contents", "status"),
    [
        ({"asr_language": "?"}, [b"x" * 2_000_000], 422),
        ({"audio_files": ["other.wav"]}, [b"x"], 422),
        ({"is_admin": True}, [b"x"], 422),
        ({"priority": "urgent"}, [b"x"], 422),
        ({}, [b"x" * 2_500_000, b"y" * 2_500_000], 413),
        ({}, [b"x"] * 101, 413),
        ({"title": "x" * 600_000}, [b"x"], 413),
    ],
)
def test_a_refused_upload_leaves_nothing(
    client: TestClient, tmp_path: Path, fields: dict[str, Any], contents: list[bytes], status: int
) -> None:
    answer = upload(client, *contents, **fields)
    assert answer.status_code == status, answer.text
    assert files_under(tmp_path) == []
    assert client.get(RUNS).json() == []


def test_a_refused_repeat_does_not_take_the_first_ones_file(client: TestClient, tmp_path: Path) -> None:
    headers = {"Idempotency-Key": "upload 2"}
    assert upload(client, b"sound", headers=headers).status_code == 201
    assert upload(client, b"sound", headers=headers, is_admin=True).status_code == 422
    assert [path.read_bytes() for path in files_under(tmp_path)] == [b"sound"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..", "file"),
        ("C:\\a\\b.wav", "b.wav"),
        (".hidden", "hidden"),
        ("", "file"),
        ("会议 记录.flac", "_.flac"),
        ("a\0b", "a_b"),
        ("x" * 300 + ".wav", "x" * 96 + ".wav"),
    ],
)
def test_a_files_name_cannot_lead_anywhere(name: str, safe: str) -> None:
    assert _safe_name(name) == safe


def test_a_run_is_shown_with_its_stages_and_cancelled_and_done_again(client: TestClient, fleet: Fleet) -> None:
    run_id = client.post(RUNS, json=BY_REFERENCE).json()["run_id"]
    fleet.runs.create(run_id, {}, token="t")  # noqa: S106 - a fencing token
    now_ms = round(time.time() * 1000)
    fleet.runs.begin_stage(run_id, "ingest", total=1, now_ms=now_ms)
    fleet.runs.close_stage(run_id, "ingest", now_ms=now_ms)
    fleet.runs.begin_stage(run_id, "denoise", total=1, now_ms=now_ms)
    fleet.runs.report(run_id, percent=3.0, message="denoise", eta_s=60)
    (seen,) = client.get(RUNS).json()
    assert [stage["state"] for stage in seen["stages"]][:3] == ["done", "running", "waiting"]
    assert (seen["percent"], seen["message"], seen["eta_s"]) == (3.0, "denoise", 60)
    early = client.post(f"{RUNS}/{run_id}/rerun", json={"from_stage": "denoise"})
    assert (early.status_code, early.json()["error"]["code"]) == (409, "task_conflict")
    assert client.delete(f"{RUNS}/{run_id}").json()["status"] == "cancelled"
    again = client.post(f"{RUNS}/{run_id}/rerun", json={"from_stage": "denoise"})
    assert again.status_code == 201
    new = fleet.dispatcher.get(again.json()["run_id"])
    assert (new.metadata["inherits"], new.metadata["from_stage"]) == (run_id, "denoise")
    assert client.post(f"{RUNS}/{run_id}/rerun", json={"from_stage": "nothing"}).status_code == 422


def test_only_files_of_the_storage_are_given(client: TestClient, fleet: Fleet, tmp_path: Path) -> None:
    run_id = client.post(RUNS, json=BY_REFERENCE).json()["run_id"]
    assert client.get(f"{RUNS}/{run_id}/files/minutes").status_code == 404
    (tmp_path / "minutes.json").write_text('{"decisions": []}')
    outside = tmp_path.parent / "outside.json"
    outside.write_text("{}")
    result = {"minutes_url": f"file://{tmp_path}/minutes.json", "transcript_url": f"file://{tmp_path}/../outside.json"}
    key = f"mt:task:{run_id}"
    fleet.dispatcher.store.client.hset(key, mapping={"state": "completed", "result": json.dumps(result)})
    assert client.get(f"{RUNS}/{run_id}").json()["files"]["minutes"] == f"{RUNS}/{run_id}/files/minutes"
    assert client.get(f"{RUNS}/{run_id}/files/minutes").json() == {"decisions": []}
    assert client.get(f"{RUNS}/{run_id}/files/transcript").status_code == 404


def test_a_user_sees_only_its_own_runs(anonymous: TestClient, keys: ApiKeys) -> None:
    rights = (Scope.TASKS_READ, Scope.TASKS_SUBMIT, Scope.TASKS_CANCEL)
    ann, bob = (bearer(keys, *rights, user_id=name) for name in ("ann", "bob"))
    made = anonymous.post(RUNS, json=BY_REFERENCE, headers=ann).json()["run_id"]
    fleet: Fleet = anonymous.app.state.fleet  # type: ignore[attr-defined]
    fleet.runs.create(made, {}, token="t")  # noqa: S106 - a fencing token
    assert [run["run_id"] for run in anonymous.get(RUNS, headers=ann).json()] == [made]
    assert anonymous.get(RUNS, headers=bob).json() == []
    path = f"{RUNS}/{made}"
    answers = [anonymous.get(path, headers=bob), anonymous.get(f"{path}/files/minutes", headers=bob)]
    answers += [anonymous.delete(path, headers=bob)]
    answers += [anonymous.post(f"{path}/rerun", json={"from_stage": "minutes"}, headers=bob)]
    assert {answer.status_code for answer in answers} == {404}


def test_another_tasks_id_is_no_run(client: TestClient) -> None:
    body = {"type": "content_generation", "payload": {"topic": "AI"}}
    task_id = client.post("/api/v1/tasks", json=body).json()["task_id"]
    assert client.get(f"{RUNS}/{task_id}").status_code == 404
