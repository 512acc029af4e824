"""Probing: the facts about good files, and a refusal with the cause for everything else."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.media_samples import PEAK_MIB, png_bytes, tone, wav_bytes, write_sound, write_video, write_wav
from workers.engines.errors import InvalidInput
from workers.engines.media.decode import open_audio
from workers.engines.media.info import AudioStream, VideoStream
from workers.engines.media.limits import DEFAULT_LIMITS, PcmLayout
from workers.engines.media.probe import probe
from workers.engines.media.thumbnail import thumbnail


@pytest.mark.parametrize(
    ("muxer", "codec", "format_name", "codec_name"),
    [
        ("wav", "pcm_s16le", "wav", "pcm_s16le"),
        ("wav", "pcm_s24le", "wav", "pcm_s24le"),
        ("mp3", "libmp3lame", "mp3", "mp3"),
        ("mp4", "aac", "mov", "aac"),
        ("adts", "aac", "aac", "aac"),
        ("ogg", "libopus", "ogg", "opus"),
        ("webm", "libopus", "matroska", "opus"),
        ("matroska", "flac", "matroska", "flac"),
        ("flac", "flac", "flac", "flac"),
    ],
)
def test_every_sound_format_is_known(tmp_path: Path, muxer: str, codec: str, format_name: str, codec_name: str) -> None:
    info = probe(write_sound(tmp_path / "sound", muxer, codec, seconds=3))
    assert (info.format, info.has_video) == (format_name, False)
    assert info.audio == (AudioStream(codec_name, 48_000, 1),)
    assert info.duration_ms == pytest.approx(3000, abs=60)
    assert info.size_bytes == (tmp_path / "sound").stat().st_size


def test_a_video_is_described(tmp_path: Path) -> None:
    info = probe(write_video(tmp_path / "v.mp4", size=(160, 120), frames=50, fps=25))
    assert info.video == (VideoStream("h264", 160, 120, 25.0, 0),)
    assert info.has_audio
    assert info.duration_ms == pytest.approx(2000, abs=60)
    assert info.as_dict()["video"][0]["width"] == 160


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_video_says_so(tmp_path: Path, rotation: int) -> None:
    info = probe(write_video(tmp_path / "v.mp4", rotation=rotation, frames=5))
    assert info.video[0].rotation == rotation


@pytest.mark.parametrize("size", [(1, 1), (7, 3)])
def test_odd_sizes_are_described(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "v.mkv", muxer="matroska", codec="ffv1", size=size, frames=3, sound=None)
    assert (probe(path).video[0].width, probe(path).video[0].height) == size


def test_the_extension_does_not_matter(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound", "mp3", "libmp3lame", seconds=1)
    (tmp_path / "sound").rename(tmp_path / "song.mp4")
    assert probe(tmp_path / "song.mp4").format == "mp3"


@pytest.mark.parametrize(
    "name", ["-i", "a\nb.wav", "it's.wav", '"q".wav', "%d.wav", "%03d.wav", "🎤.wav", "x" * 251 + ".wav", "pipe:0"]
)
def test_names_mean_nothing_to_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write_wav(tmp_path / name, tone(0.5))
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name)).duration_ms == 500


def test_a_name_that_is_not_unicode_works(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.wav"))
    assert probe(write_wav(path, tone(0.5))).duration_ms == 500


def test_a_browser_recording_without_a_length_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "live.webm"
    with av.open(str(path), "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(2, rate=48_000)[np.newaxis], "s16", "mono")
        frame.sample_rate = 48_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with av.open(str(path)) as container:
        assert not container.duration
    assert probe(path).duration_ms == pytest.approx(2000, abs=30)


def test_headerless_samples_need_a_layout(tmp_path: Path) -> None:
    path = tmp_path / "samples.pcm"
    path.write_bytes(tone(1, rate=8000).tobytes())
    with pytest.raises(InvalidInput):
        probe(path)
    assert probe(path, pcm=PcmLayout(8000)).duration_ms == 1000
    assert probe(path, pcm=PcmLayout(8000, encoding="mulaw")).duration_ms == 2000
    with pytest.raises(InvalidInput, match="cannot read headerless"):
        probe(path, pcm=PcmLayout(8000, encoding="mp3"))


def _write(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def _directory(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _nothing(_path: Path) -> None: ...


def _mp4_without_moov(path: Path) -> None:
    write_sound(path, "mp4", "aac")
    path.write_bytes(path.read_bytes()[:20_000])


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
BAD = {
    "missing": (_nothing, "no such file"),
    "directory": (_directory, "is a directory"),
    "pipe": (_pipe, "not a regular file"),
    "zero bytes": (_write(b""), "is empty"),
    "one byte": (_write(b"\0"), "is damaged or not one of the accepted formats"),
    "text.wav": (_write(b"hello world\n" * 50), "is text"),
    "text.mp4": (_write("grüße\n".encode() * 999), "is text"),
    "only a wav header": (_write(wav_bytes(b"")), "no audio|not one moment|is damaged"),
    "mp4 without moov": (_mp4_without_moov, "moov atom not found"),
    "mp4 of ftyp only": (_write(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2"), "moov atom not found"),
    "image": (_write(png_bytes(64)), "is a PNG image"),
    "playlist.m3u8": (_write(PLAYLIST), "is a playlist"),
    "playlist.mp4": (_write(b"\n " + PLAYLIST), "is a playlist"),
    "concat.wav": (_write(b"ffconcat version 1.0\nfile /etc/passwd\n"), "is a playlist"),
    "dash.mp4": (_write(b'<?xml version="1.0"?>\n<MPD><BaseURL>http://x/</BaseURL></MPD>'), "is a playlist"),
    "random": (_write(np.random.default_rng(0).bytes(50_000)), "is damaged or not one of"),
}


def _probe_and_decode(path: Path) -> None:
    """Do both: a WAV header alone is readable, that it has no sound shows when it is decoded."""
    probe(path)
    list(open_audio(path))


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_refused_with_the_cause(tmp_path: Path, kind: str) -> None:
    make, cause = BAD[kind]
    path = tmp_path / kind.replace(" ", "-")
    make(path)
    with pytest.raises(InvalidInput, match=cause) as refused:
        _probe_and_decode(path)
    assert path.name in refused.value.message
    assert refused.value.code == ("media_not_found" if kind == "missing" else "media_invalid")


@pytest.mark.parametrize("kind", BAD)
def test_the_command_line_refuses_them_without_a_traceback(tmp_path: Path, kind: str) -> None:
    from workers.engines.media.__main__ import main  # noqa: PLC0415 - the module is a program

    make, _ = BAD[kind]
    path = tmp_path / kind.replace(" ", "-")
    make(path)
    assert main(["decode", str(path), str(tmp_path / "out.wav"), "--json"]) == 1
    assert {entry.name for entry in tmp_path.iterdir()} <= {path.name}


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"max_bytes": 1000}, "bytes, more than"),
        ({"max_duration_ms": 1999}, "lasts 2 s"),
        ({"max_pixels": 160 * 120 - 1}, "pixels a frame"),
        ({"max_side": 159}, "pixels a side"),
        ({"max_streams": 1}, "2 streams"),
        ({"max_sample_rate": 44_100}, "48000 Hz"),
        ({"max_channels": 0}, "1 channels"),
    ],
)
def test_what_is_larger_than_a_limit_is_refused(tmp_path: Path, limit: dict[str, int], words: str) -> None:
    path = write_video(tmp_path / "v.mp4")
    with pytest.raises(InvalidInput, match=words) as refused:
        probe(path, replace(DEFAULT_LIMITS, **limit))  # type: ignore[arg-type] # one kind of value, all of them int
    assert refused.value.code == "media_too_large"


def test_a_format_that_is_not_on_the_list_is_refused(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "sound.mp3", "mp3", "libmp3lame", seconds=1)
    with pytest.raises(InvalidInput, match=r"accepted formats \(wav\)"):
        probe(path, replace(DEFAULT_LIMITS, formats=("wav",)))


def test_a_line_break_in_a_name_does_not_break_a_message(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        probe(tmp_path / "evil\nERROR forged line")
    assert "\n" not in refused.value.message


@pytest.fixture
def canary() -> Iterator[tuple[int, list[bytes]]]:
    """Run a server that only remembers who called."""
    hits: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                hits.append(b"called")
                caller.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], hits
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n",
        "ffconcat version 1.0\nfile '{url}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
        "{url}\n",
        '<?xml version="1.0"?><MPD><Period><AdaptationSet><BaseURL>{url}</BaseURL></AdaptationSet></Period></MPD>',
    ],
)
@pytest.mark.parametrize("suffix", [".m3u8", ".mp4", ".wav", ".ffconcat", ".sdp", ".mpd"])
def test_no_file_makes_the_decoder_call_anywhere(
    tmp_path: Path, canary: tuple[int, list[bytes]], script: str, suffix: str
) -> None:
    port, hits = canary
    path = tmp_path / f"evil{suffix}"
    path.write_text(script.format(url=f"http://127.0.0.1:{port}/x.ts", port=port))
    for attempt in (
        lambda: probe(path),
        lambda: list(open_audio(path)),
        lambda: thumbnail(path, tmp_path / "out.jpg"),
    ):
        with pytest.raises(InvalidInput):
            attempt()
    assert hits == []


def _muxed_png(path: Path, side: int, claimed: int) -> Path:
    """Write a video of one PNG picture whose container may lie about its size."""
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_mux_stream("png", rate=1, width=claimed, height=claimed)
        packet = av.Packet(png_bytes(side))
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, 0, 0, True
        container.mux(packet)
    return path


def _grown_mib(program: str) -> float:
    """Run ``program`` in a process of its own; return by how much its memory grew at most."""
    measured = f"""
{PEAK_MIB}
from pathlib import Path
from workers.engines.errors import InvalidInput
from workers.engines.media.probe import probe
from workers.engines.media.thumbnail import thumbnail
before = peak_mib()
{program}
print(peak_mib() - before)
"""
    done = subprocess.run([sys.executable, "-c", measured], check=True, capture_output=True, text=True)
    return float(done.stdout)


@pytest.mark.parametrize("claimed", [8_000, 160])
def test_a_picture_bomb_is_refused_in_little_memory(tmp_path: Path, claimed: int) -> None:
    path = _muxed_png(tmp_path / "bomb.mov", 8_000, claimed)  # 192 MB when decoded
    assert path.stat().st_size < 300_000
    for attempt in (lambda: probe(path), lambda: thumbnail(path, tmp_path / "t.png")):
        with pytest.raises(InvalidInput):
            attempt()
    grown_mib = _grown_mib(f"""
bomb, out = Path({str(path)!r}), Path({str(tmp_path)!r}, "t.png")
for attempt in (lambda: probe(bomb), lambda: thumbnail(bomb, out)):
    try:
        attempt()
    except InvalidInput:
        pass
""")
    assert grown_mib < 40
    assert [entry.name for entry in tmp_path.iterdir()] == ["bomb.mov"]


def test_a_cover_picture_is_not_a_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    sound = write_sound(tmp_path / "plain.mp3", "mp3", "libmp3lame", seconds=1).read_bytes()
    picture = b"\0image/png\0\3\0" + png_bytes(8_000)
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    size = len(frame)
    syncsafe = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\3\0\0" + syncsafe + frame + sound[sound.index(b"\xff\xfb") :])
    info = probe(path)
    assert info.has_audio
    assert not info.has_video
    assert _grown_mib(f"probe(Path({str(path)!r}))") < 40
