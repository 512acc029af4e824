"""The command line of the media engines: every command, in words and in JSON, and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.media_samples import tone, write_sound, write_video, write_wav
from workers.engines.media import __main__ as program
from workers.engines.media import command


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = program.main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_probe_answers_in_words_and_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_wav(tmp_path / "s.wav", tone(1))
    code, out, err = run(capsys, "probe", path)
    assert (code, err) == (0, "")
    assert "duration_ms: 1000" in out.splitlines()
    code, out, _ = run(capsys, "probe", path, "--json")
    assert json.loads(out)["audio"] == [{"codec": "pcm_s16le", "sample_rate": 16000, "channels": 1}]


def test_every_command_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "v.mp4", frames=50)
    sound = write_sound(tmp_path / "s.mp3", "mp3", "libmp3lame", seconds=1)
    for words, key, value in (
        (["decode", video, tmp_path / "d.wav", "--rate", 8000, "--end-ms", 1000], "duration_ms", 1000),
        (["merge", tmp_path / "m.wav", sound, sound], "offsets_ms", [0, 1000]),
        (["thumbnail", video, tmp_path / "t.png", "--max-width", 80], "width", 80),
        (["transcode", video, tmp_path / "o.webm", "--format", "webm", "--width", 80], "format", "matroska"),
        (["extract", video, tmp_path / "o.ogg", "--format", "ogg"], "format", "ogg"),
    ):
        code, out, err = run(capsys, *words, "--json")
        assert (code, err) == (0, "")
        assert json.loads(out)[key] == value
    assert len(json.loads(run(capsys, "waveform", sound, "--points", 4, "--json")[1])["peaks"]) == 4
    chunks = json.loads(run(capsys, "split", sound, tmp_path / "chunks", "--json")[1])
    assert [entry["path"] for entry in chunks] == [str(tmp_path / "chunks" / "chunk-00000.wav")]


def test_a_refusal_is_one_sentence_and_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "probe", tmp_path / "no\nthing.wav", "--json")
    assert code == 1
    assert json.loads(out) == {"error": {"code": "media_not_found", "message": "no\\nthing.wav: no such file"}}
    assert err == "error: no\\nthing.wav: no such file [media_not_found]\n"


@pytest.mark.parametrize("words", [[], ["probe"], ["fly"], ["decode", "a", "b", "--rate", "fast"], ["split", "x"]])
def test_wrong_usage_is_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as usage:
        program.main(words)
    assert usage.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_an_interruption_is_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert command.answer(interrupted, as_json=False) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_it_runs_as_a_program_with_a_name_like_an_option(tmp_path: Path) -> None:
    write_wav(tmp_path / "-i.wav", tone(1))
    start = [sys.executable, "-m", "workers.engines.media", "probe", "--json", "--", "-i.wav"]
    done = subprocess.run(start, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert json.loads(done.stdout)["duration_ms"] == 1000
