"""Loads the Lua scripts: each is one atomic change, in a file of its own whose header says what it takes and gives."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from redis.client import Pipeline
from redis.exceptions import NoScriptError

from meetingtasks.store.client import Client

Value = str | int | float


@dataclass(frozen=True)
class Script:
    """One Lua script, sent by its hash."""

    name: str
    source: str
    sha: str

    def __call__(self, client: Client, keys: Sequence[str], args: Sequence[Value]) -> Any:
        """Run it; the server learns the source when it does not know the hash."""
        try:
            return client.evalsha(self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return client.eval(self.source, len(keys), *keys, *args)

    def put_on(self, pipe: Pipeline, keys: Sequence[str], args: Sequence[Value]) -> None:
        """Add it to a transaction on a connection that knows our scripts (the broker's do, see ``companion``)."""
        pipe.evalsha(self.sha, len(keys), *keys, *args)


@functools.cache
def load(name: str) -> Script:
    """Read ``lua/<name>.lua``, with the functions of ``lua/common.lua`` in front."""
    folder = resources.files("meetingtasks.store") / "lua"
    body = (folder / f"{name}.lua").read_text("utf-8")
    # a full server still takes what ends work: those scripts say so in a first line that must stay the first
    flags, body = body.split("\n", 1) if body.startswith("#!") else ("", body)
    source = (f"{flags}\n" if flags else "") + (folder / "common.lua").read_text("utf-8") + body
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
