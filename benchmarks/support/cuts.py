"""Replies that never arrive: the server has handed a task out, the worker does not hear of it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.support.messages import many
from benchmarks.support.place import Place
from benchmarks.support.proxy import Proxy
from benchmarks.support.report import Row, exactly
from benchmarks.support.scale_of import Scale
from benchmarks.support.sides import in_turn
from benchmarks.support.waits import must, wait_for

NOTHING_MORE_S = 15.0
ONE_BY_ONE = 5  # tasks per cut, while connections break under the worker


def rows(scale: Scale) -> Iterator[Row]:
    """Swallow replies that carry a task, then cut all connections under load."""
    for what, measure in (("reply with a task swallowed", _swallow), ("connections cut", _cut)):

        def counted(place: Place, measure: object = measure) -> tuple[int, int]:
            assert callable(measure)
            with Proxy(urlsplit(place.server.url).port or 0) as proxy:
                names: list[str] = measure(place, proxy, scale.cuts)
                wait_for(lambda: set(place.ended()) >= set(names) or place.left() == 0, NOTHING_MORE_S)
                starts = place.started()
                return place.lost(names), sum(starts.values()) - len(starts)

        stock, ours = in_turn(counted)
        yield exactly(f"{what}, {scale.cuts} times: tasks lost", stock[0], ours[0], 0)
        yield exactly(f"{what}, {scale.cuts} times: started twice", stock[1], ours[1], 0)


def _by(place: Place, proxy: Proxy) -> str:
    port = urlsplit(place.server.url).port
    return place.server.url.replace(f":{port}", f":{proxy.port}")


def _swallow(place: Place, proxy: Proxy, times: int) -> list[str]:
    place.worker("prefork", url=_by(place, proxy))
    names = [f"swallowed{i}" for i in range(times)]
    for i, name in enumerate(names):
        proxy.swallow_reply_with(b"bench.nap")
        place.fill(many("nap", [name], 0.01))
        must(proxy.swallowed.is_set, 20, "a reply with a task")
        place.fill(many("nap", [f"follower{i}"], 0.01))
        place.note_more(2)
    return names


def _cut(place: Place, proxy: Proxy, times: int) -> list[str]:
    place.worker("prefork", url=_by(place, proxy))
    names = [f"cut{i}" for i in range(times * ONE_BY_ONE * 3)]
    place.fill(many("nap", names, 0.05))
    for _ in range(times):
        place.note_more(2 * ONE_BY_ONE)
        proxy.cut()
    return names
