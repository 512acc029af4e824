"""Assembles the sample recordings and their known words from published recordings of real voices.

    python samples/assemble.py --archives DIRECTORY

``DIRECTORY`` holds the archives named in ``ARCHIVES``; ``samples/README.md`` says how to get them. The result is the
same on every run: the noise comes from a seeded generator.
"""  # noqa: INP001 - a script beside the samples it makes, not a package

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from archives import RATE_HZ, member, samples
from numpy.typing import NDArray

HERE = Path(__file__).parent
LEVEL_DBFS = -23.0
NOISE_BELOW_SPEECH_DB = 32.0
PAUSE_S = 0.9
LEAD_S = 0.6
EDGE_MS = 120  # of the recording's own silence, kept around the speech

ARCHIVES = {
    "asterisk": "asterisk-core-sounds-en-g722_1.6.1-1_all.deb",
    "pocketsphinx": "pocketsphinx-5.1.1.tar.gz",
    "whisper.cpp": "pywhispercpp-1.5.1.tar.gz",
    "sonic": "sonic_0.2.0.orig.tar.gz",
    "speechbrain": "speechbrain-1.0.1.tar.gz",
}


@dataclass(frozen=True)
class Clip:
    """One utterance: who speaks, where it comes from, what is said; ``part_ms`` cuts it out of a longer recording."""

    speaker: str
    archive: str
    name: str
    sha256: str
    text: str
    part_ms: tuple[int, int] | None = None
    tempo: float = 1.0
    decision: bool = False
    action: bool = False


_ALLISON = "en_US_f_Allison/"
_LIBRIVOX = "test/data/librivox/sense_and_sensibility_01_austen_64kb-"
_PRINCESS = ("samples/sonic.wav", "3cb6e963f618add3a00bee5014dad783b8535ada24e3bd6b29ecdc4b1952e597")
_CONNECT = (
    _ALLISON + "demo-abouttotry.g722",
    "33aab33615876bcac14a0059bea1715a274be81971c17740bafcc2b2c28dac16",
)

MEETING = [
    Clip(
        "Allison",
        "asterisk",
        _ALLISON + "conf-now-recording.g722",
        "060b10b54ccc2dc608499a4b99bb6b67cf5e1b51ef5218719b1d0a00efe4a481",
        "The conference is now being recorded.",
    ),
    Clip(
        "Jane",
        "pocketsphinx",
        _LIBRIVOX + "0920.wav",
        "40882414ef4cc51f3ff7a63bad0c8c87e7f595ffeb8209fbf756c8ebc5c28a59",
        "Had he married a more amiable woman, he might have been made still more respectable than he was.",
    ),
    Clip(
        "Jane",
        "pocketsphinx",
        _LIBRIVOX + "0930.wav",
        "954adbf0b56ac8a148cbe77b39ca18d76b5f2a1e1f405565bd786ce3e68a68b7",
        "He might even have been made amiable himself.",
    ),
    Clip(
        "Allison",
        "asterisk",
        _ALLISON + "conf-extended.g722",
        "b8821adb05675545cfff1d664b7fb68c2929a9bf111b5c67be373f7c142699ca",
        "The conference has been extended.",
        decision=True,
    ),
    Clip(
        "John",
        "whisper.cpp",
        "whisper.cpp/samples/jfk.wav",
        "59dfb9a4acb36fe2a2affc14bacbee2920ff435cb13cc314a08c13f66ba7860e",
        "And so, my fellow Americans: ask not what your country can do for you; ask what you can do for your country.",
        action=True,
    ),
    Clip(
        "David",
        "pocketsphinx",
        "test/data/goforward.raw",
        "f15c60ec54059d8b66e410d0064945a0b0a04ea56e1ddca1958e493c0cf70e71",
        "Go forward ten meters.",
        action=True,
    ),
    Clip(
        "David",
        "pocketsphinx",
        "test/data/something.raw",
        "eb95b74ce3f3037487e49dcfd935bbcf8c158b5f4083dd19451729c3ee694f5f",
        "Go somewhere and do something.",
        action=True,
    ),
    Clip(
        "Allison",
        "asterisk",
        *_CONNECT,
        "Please wait a moment while I attempt to make the connection.",
        part_ms=(11_620, 15_175),
        action=True,
    ),
    Clip(
        "Allison",
        "asterisk",
        _ALLISON + "conf-leaderhasleft.g722",
        "70bb6969cdb5f3165d333da5fd07f968b912ffb24895cdb49ae244587048433a",
        "The leader has left the conference.",
    ),
]

SECOND = [
    Clip("Tony", "sonic", *_PRINCESS, "This is a LibriVox recording.", part_ms=(1_600, 3_950), tempo=0.5),
    Clip(
        "Tony",
        "sonic",
        *_PRINCESS,
        "All LibriVox recordings are in the public domain.",
        part_ms=(4_100, 7_150),
        tempo=0.5,
    ),
    Clip(
        "Tony",
        "sonic",
        *_PRINCESS,
        "For more information, or to volunteer, please visit librivox dot org.",
        part_ms=(7_300, 12_200),
        tempo=0.5,
        action=True,
    ),
    Clip(
        "Jane",
        "pocketsphinx",
        _LIBRIVOX + "0870.wav",
        "b0557cf95c974d930577e58e46b7f068c432a6e3afcc286563d88922b2a5315c",
        "And Mister John Dashwood had then leisure to consider how much there might be prudently in his power to do "
        "for them.",
    ),
    Clip(
        "Linda",
        "speechbrain",
        "tests/samples/TTS/LJ050-0131.wav",
        "a8cee9267ac78b62b85a46f6b6e1b0a2e299749179abacbab39bc04790206cfb",
        "Unless a system is established for the frequent formal review of activities thereunder. In this regard",
    ),
    Clip(
        "Tony",
        "sonic",
        *_PRINCESS,
        "I attempted to spring to my feet, but was horrified to discover that my muscles refused to respond to my "
        "will.",
        part_ms=(35_550, 41_850),
        tempo=0.5,
    ),
]


def speech(clip: Clip, archives: Path) -> NDArray[np.float64]:
    """Return the clip's speech at the common level, with ``EDGE_MS`` of its own silence around it."""
    sound = samples(member(archives / ARCHIVES[clip.archive], clip.name, clip.sha256), clip.name, tempo=clip.tempo)
    if clip.part_ms is not None:
        sound = sound[clip.part_ms[0] * RATE_HZ // 1000 : clip.part_ms[1] * RATE_HZ // 1000]
    window = RATE_HZ // 100
    power = np.sqrt((sound[: len(sound) // window * window].reshape(-1, window) ** 2).mean(axis=1))
    loud = np.flatnonzero(power > power.max() / 20)
    edge = EDGE_MS * RATE_HZ // 1000
    sound = sound[max(0, loud[0] * window - edge) : (loud[-1] + 1) * window + edge]
    level = np.sqrt((sound**2).mean())
    levelled: NDArray[np.float64] = sound * 10 ** (LEVEL_DBFS / 20) / level
    return levelled


def room_noise(count: int, seed: int) -> NDArray[np.float64]:
    """Return the noise of a room: a fan's falling spectrum and a faint 50 Hz hum."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    fan = np.fft.irfft(spectrum / np.maximum(hz, 80.0) ** 0.5, count)
    fan /= np.sqrt((fan**2).mean())
    noise: NDArray[np.float64] = fan + 0.3 * np.sin(2 * np.pi * 50 * np.arange(count) / RATE_HZ)
    return noise * 10 ** ((LEVEL_DBFS - NOISE_BELOW_SPEECH_DB) / 20)


def assemble(name: str, title: str, clips: list[Clip], archives: Path) -> None:
    """Write ``name.flac`` and ``name.json`` beside this script."""
    parts = [np.zeros(round(LEAD_S * RATE_HZ))]
    utterances = []
    at = len(parts[0])
    for clip in clips:
        sound = speech(clip, archives)
        utterances.append(
            {
                "speaker": clip.speaker,
                "origin": f"{ARCHIVES[clip.archive]}: {clip.name}",
                "start_ms": at * 1000 // RATE_HZ,
                "end_ms": (at + len(sound)) * 1000 // RATE_HZ,
                "text": clip.text,
                "decision": clip.decision,
                "action": clip.action,
            }
        )
        parts += [sound, np.zeros(round(PAUSE_S * RATE_HZ))]
        at += len(sound) + len(parts[-1])
    sound = np.concatenate(parts)
    sound += room_noise(len(sound), seed=len(clips))
    pcm = np.clip(np.round(sound * 32767), -32768, 32767).astype(np.int16)
    _write_flac(HERE / f"{name}.flac", pcm)
    facts = {"title": title, "language": "en", "duration_ms": len(pcm) * 1000 // RATE_HZ, "utterances": utterances}
    (HERE / f"{name}.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_flac(path: Path, pcm: NDArray[np.int16]) -> None:
    with av.open(path, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=RATE_HZ, layout="mono", options={"compression_level": "12"})
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archives", type=Path, required=True, help="the directory with the downloaded archives")
    directory = parser.parse_args().archives
    assemble("meeting", "A short meeting", MEETING, directory)
    assemble("second", "A second recording", SECOND, directory)
