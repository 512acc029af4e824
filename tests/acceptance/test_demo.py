"""The demonstration as a newcomer runs it: one command, real processes, real voices in, minutes out."""

import fcntl
import json
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import av
import pytest

from meetingtasks.cli.main import run
from tests.support.leftovers import marked
from tests.support.processes import ROOT, RunningProcess
from workers.engines.word_error import normalise

DEMO = (sys.executable, "-m", "meetingtasks.cli", "demo")
SAMPLES = ROOT / "samples"
#: four to six times what a quiet machine of two cores needs
WITHIN_S = 400

pytestmark = pytest.mark.timeout(WITHIN_S)


@dataclass(frozen=True)
class Demonstration:
    """One that has ended: its code, its JSON document, what it said beside that, and who it left running."""

    code: int
    out: str
    err: str
    directory: Path
    survivors: list[int]

    @property
    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.out)
        return report


def demonstrate(directory: Path, *options: str) -> Demonstration:
    with marked(directory) as (mark, survivors):
        env = {**os.environ, **mark, "PYTHONPATH": str(ROOT), "TMPDIR": str(directory)}
        done = subprocess.run(
            [*DEMO, *options], cwd=directory, env=env, capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
        return Demonstration(done.returncode, done.stdout, done.stderr, directory, survivors())


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """Run the demonstration as it comes: once, however many processes run these tests."""
    own = tmp_path_factory.mktemp("demo")
    shared = own.parent.parent / "demo-sample" if "PYTEST_XDIST_WORKER" in os.environ else own
    shared.mkdir(exist_ok=True)
    kept = shared / "kept.pickle"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            directory = shared / "run"
            directory.mkdir()
            kept.write_bytes(pickle.dumps(demonstrate(directory, "--json")))
    found = pickle.loads(kept.read_bytes())  # noqa: S301 - written by these tests
    assert isinstance(found, Demonstration)
    return found


def test_the_sample_meeting_becomes_complete_minutes(sample: Demonstration) -> None:
    assert sample.code == 0, sample.err
    report = sample.report
    assert (report["state"], report["coverage"], report["partial"]) == ("completed", 1.0, False)
    assert [stage["state"] for stage in report["stages"]] == ["done"] * 7
    assert report["noise_floor_before_db"] - report["noise_floor_after_db"] >= 6
    assert 0 < report["word_error_rate"] < 0.45  # the offline engine's level, and no invented words
    assert report["engine"] == "pocketsphinx"
    assert "low accuracy" in report["engine_note"]
    assert report["emotion"]["overall"]
    assert report["transcript"]["gaps"] == []


def test_every_speakers_words_are_there_in_order(sample: Demonstration) -> None:
    known = json.loads((SAMPLES / "meeting.json").read_text())["utterances"]
    segments = sample.report["transcript"]["segments"]
    starts = [segment["start_ms"] for segment in segments]
    assert starts == sorted(starts)
    assert all(s["end_ms"] > s["start_ms"] and 0 <= s["confidence"] <= 1 and s["text"] for s in segments)
    for utterance in known:
        around = (utterance["start_ms"] - 1500, utterance["end_ms"] + 1500)
        heard = " ".join(s["text"] for s in segments if around[0] <= (s["start_ms"] + s["end_ms"]) / 2 <= around[1])
        assert alike(utterance["text"], heard) > 0.4, f"{utterance['text']!r} was heard as {heard!r}"


def test_the_minutes_name_a_true_decision_and_a_true_action(sample: Demonstration) -> None:
    known = json.loads((SAMPLES / "meeting.json").read_text())["utterances"]
    minutes = sample.report["minutes"]
    for found, kind in ((minutes["decisions"], "decision"), (minutes["action_items"], "action")):
        true = [utterance["text"] for utterance in known if utterance[kind]]
        assert any(alike(text, item["text"]) > 0.6 for item in found for text in true), f"no true {kind} in {found}"


def test_progress_is_told_stage_by_stage_and_never_falls(sample: Demonstration) -> None:
    percents = [int(number) for number in re.findall(r"^running (\d+)%", sample.err, re.MULTILINE)]
    assert len(percents) >= 5
    assert percents == sorted(percents)
    assert all(word in sample.err for word in ("denoise", "transcribe", "go forward"))


def test_the_files_are_where_the_report_says_and_nothing_else_is_left(sample: Demonstration) -> None:
    files = Path(sample.report["files"])
    assert files == sample.directory / "var" / "demo" / sample.report["run_id"]
    names = {"transcript.json", "minutes.json", "minutes.md", "emotion.json", "audio.wav", "workers.log", "report.json"}
    assert {file.name for file in files.iterdir()} == names
    assert json.loads((files / "report.json").read_text()) == sample.report
    assert [path.name for path in sample.directory.iterdir()] == ["var"]
    assert sample.survivors == []


@pytest.mark.chaos
def test_a_worker_killed_half_way_costs_nothing_but_time(tmp_path: Path) -> None:
    done = demonstrate(tmp_path, "--chaos", "--json", "--audio", str(SAMPLES / "second.flac"))
    assert done.code == 0, done.err
    report = done.report
    assert (report["state"], report["coverage"]) == ("completed", 1.0)
    assert "killed the ai worker" in done.err
    interrupted = report["chaos"]["interrupted_tasks"]
    assert interrupted
    assert all(outcomes == ["lost", "completed"] for outcomes in interrupted.values())
    assert 0 < report["word_error_rate"] < 0.6
    assert done.survivors == []


def test_a_file_of_ones_own_is_summed_up_for_a_reader_and_kept_on_demand(
    tmp_path: Path, clip: Callable[[Path, int, int], Path]
) -> None:
    own = clip(SAMPLES / "meeting.flac", 29_000, 34_500).rename(tmp_path / "my talk.wav")
    done = demonstrate(tmp_path, "--audio", own.name, "--keep", "--language", "en")
    assert done.code == 0, done.err
    for words in ("Transcript", "go forward", "Action items:", "coverage", "100.0%", "noise floor", "pocketsphinx"):
        assert words in done.out
    assert "word error rate" not in done.out  # nobody wrote down what is said in it
    (kept,) = (tmp_path / "var").glob("demo-*")
    assert {"server", "storage", "workers.log"} <= {path.name for path in kept.iterdir()}
    assert done.survivors == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_it_half_way_leaves_nothing(
    number: signal.Signals, code: int, tmp_path: Path, start_process: Callable[..., RunningProcess]
) -> None:
    with marked(tmp_path) as (mark, alive):
        demo = start_process(DEMO, cwd=tmp_path, env={**mark, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)})
        demo.wait_for_line("running ", 60)
        demo.send(number)
        assert demo.wait(60) == code, demo.output
        assert alive() == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert "Traceback" not in demo.output


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file|no such file|does not exist"),
        (b"", "empty"),
        (b"these are only words, not a recording\n" * 20, "bad.wav"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "bad.wav"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_before_anything_starts(
    content: bytes | None,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("bad.wav").write_bytes(content)
    assert run(["demo", "--audio", "bad.wav", "--json"]) == 1
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert error["code"].startswith("media_")
    assert re.search(told, error["message"])
    assert "Traceback" not in captured.err
    assert not Path("var").exists()


def test_a_recording_that_nobody_can_transcribe_fails_clearly(tmp_path: Path) -> None:
    done = demonstrate(tmp_path, "--audio", str(SAMPLES / "second.flac"), "--language", "zh-CN", "--json")
    assert done.code == 1
    assert done.report["state"] == "failed"
    assert done.report["error"]["message"]
    assert "workers' log" in done.err
    assert done.survivors == []


def test_a_film_without_sound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with av.open(str(tmp_path / "silent.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    monkeypatch.chdir(tmp_path)
    assert run(["demo", "--audio", "silent.mp4"]) == 1
    assert "has no sound track" in capsys.readouterr().err


def alike(known: str, heard: str) -> float:
    """Return how much of the known words, in their order, is in what was heard."""
    words, found = normalise(known), normalise(heard)
    matcher = SequenceMatcher(None, words, found, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks()) / len(words)
