"""Whatever is done to a queue in whatever order, each message is in one place and leaves in its order."""

from collections import Counter

import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from meetingtasks.broker import scripts
from meetingtasks.broker.keys import TOKEN, WHOLE_QUEUE
from meetingtasks.broker.queue import LeaseOptions, LeaseQueue
from meetingtasks.broker.records import COST, Leased, Outgoing, Placed, Verdict, cap_text

IDS = st.integers(0, 15).map("task:{}".format)
KEYS = st.sampled_from(["", "board meeting", "stand-up"]).map(lambda key: key.replace(" ", "%20"))
CAPS = st.sampled_from([("", None), ("speech", 2), ("video", 1), ("mail", None)])
NAMES = ("speech", "video", "mail")
MAX_DELIVERIES = 3


class QueueMachine(RuleBasedStateMachine):
    """A model of one queue beside the real one."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        client.flushall()
        self.client = client
        self.queue = LeaseQueue(client, "ai_tasks", options=LeaseOptions(max_deliveries=MAX_DELIVERIES, dedupe_s=0))
        self.keys = self.queue.keys
        self.places: dict[str, str] = {}  # id -> waiting (ready or parked), delayed, leased, dead
        self.caps: dict[str, str] = {}  # id -> name of its cap
        self.most: dict[str, int | None] = {"speech": 2, "video": 1, "mail": None, WHOLE_QUEUE: None}
        self.condemned: set[str] = set()  # leased ids that nobody runs
        self.ranks: dict[str, tuple[float, bytes]] = {}  # id -> rank and member of a message that was ready once
        self.deliveries: Counter[str] = Counter()
        self.held: dict[str, Leased] = {}
        self.stale: list[Leased] = []
        self.gone: Counter[str] = Counter()

    # ---- what a producer does

    @rule(
        message_id=IDS,
        priority=st.integers(0, 10),
        key=KEYS,
        delayed=st.booleans(),
        cost=st.sampled_from([1, COST, 5000]),
        cap=CAPS,
    )
    def enqueue(
        self, *, message_id: str, priority: int, key: str, delayed: bool, cost: int, cap: tuple[str, int | None]
    ) -> None:
        delay_ms = 3_600_000 if delayed else 0
        text = cap_text(*cap) if cap[0] else ""
        message = Outgoing(message_id, b"{}", priority=priority, delay_ms=delay_ms, key=key, cost=cost, cap=text)
        (placed,) = self.queue.enqueue_many([message])
        was = self.places.get(message_id)
        if was in ("waiting", "delayed", "leased"):
            assert placed is Placed.REFUSED
            return
        assert placed is (Placed.DELAYED if delayed else Placed.READY)
        self.gone["superseded"] += was == "dead"
        self.gone["enqueued"] += 1
        self.deliveries[message_id] = 0
        self.places[message_id] = "delayed" if delayed else "waiting"
        self.caps[message_id] = cap[0]

    # ---- what time does

    @precondition(lambda self: "delayed" in self.places.values())
    @rule(data=st.data())
    def becomes_due(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(self._in("delayed")))
        self.client.zadd(self.keys.delayed, {message_id: 1})
        self.queue.fetch(0, consumer="clock")
        self.places[message_id] = "waiting"

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def lease_ends(self, data: st.DataObject) -> None:
        message = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        self.client.zadd(self.keys.leases, {f"{message.owner} {message.id}": 1})
        self.stale.append(message)
        condemned = self.queue.fetch(0, consumer="clock")
        self.deliveries[message.id] += 1
        if self.deliveries[message.id] >= MAX_DELIVERIES:
            assert [(m.id, m.verdict) for m in condemned] == [(message.id, Verdict.EXHAUSTED)]
            self.held[message.id] = condemned[0]
            self.condemned.add(message.id)
        else:
            assert condemned == []
            self._is_back(message.id)

    # ---- what a worker does

    @rule(n=st.integers(0, 5))
    def fetch(self, n: int) -> None:
        expected = self._may_start(n)
        fetched = self.queue.fetch(n, consumer="worker")
        assert [message.id for message in fetched] == expected
        for message in fetched:
            assert self.places[message.id] == "waiting"
            assert message.stored.deliveries == self.deliveries[message.id]
            self.places[message.id] = "leased"
            self.held[message.id] = message

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        message = self._drop(data)
        assert self.queue.ack([message]) == []
        assert self.queue.ack([message]) == [message]
        del self.places[message.id]
        self.gone["acked"] += 1

    @precondition(lambda self: self.held)
    @rule(data=st.data(), counted=st.booleans())
    def release(self, data: st.DataObject, counted: bool) -> None:
        message = self._drop(data)
        assert self.queue.release([message], counted=counted) == []
        self.deliveries[message.id] += counted
        if counted and self.deliveries[message.id] >= MAX_DELIVERIES:
            self.places[message.id] = "dead"
        else:
            self._is_back(message.id)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def defer(self, data: st.DataObject) -> None:
        message = self._drop(data)
        assert self.queue.release([message], delay_s=3600) == []
        self.places[message.id] = "delayed"

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        message = self._drop(data)
        assert self.queue.reject([message], reason="rejected") == []
        self.places[message.id] = "dead"

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        message = self.held[data.draw(st.sampled_from(sorted(self.held)))]
        assert self.queue.renew([message]) == []

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def an_old_owner_changes_nothing(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.stale))
        before = self._everything()
        assert self.queue.ack([message]) == [message]
        assert self.queue.release([message], counted=True) == [message]
        assert self.queue.reject([message], reason="late") == [message]
        assert self.queue.expire([message]) == [message]
        assert self.queue.renew([message]) == [message]
        assert self._everything() == before

    # ---- what an operator does

    @rule(name=st.sampled_from([*NAMES, WHOLE_QUEUE]), most=st.sampled_from([None, 0, 1, 2, 3]))
    def limit(self, name: str, most: int | None) -> None:
        self.most[name] = most
        scripts.limit(self.keys, name, f"{'-' if most is None else most} - 1").run(self.client)

    @precondition(lambda self: "waiting" in self.places.values())
    @rule(data=st.data())
    def drop_one(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(self._in("waiting")))
        assert scripts.purge(self.keys, [message_id]).run(self.client) == [message_id]
        del self.places[message_id]
        self.gone["purged"] += 1

    @precondition(lambda self: "dead" in self.places.values())
    @rule(data=st.data())
    def revive(self, data: st.DataObject) -> None:
        message_id = data.draw(st.sampled_from(self._in("dead")))
        assert self.queue.revive([message_id]) == [message_id]
        self.deliveries[message_id] = 0
        self.places[message_id] = "waiting"

    @rule()
    def purge(self) -> None:
        waiting = self._in("waiting") + self._in("delayed")
        assert self.queue.purge() == len(waiting)
        for message_id in waiting:
            del self.places[message_id]
        self.gone["purged"] += len(waiting)

    # ---- what always holds

    @invariant()
    def each_message_is_in_one_place(self) -> None:
        found: Counter[str] = Counter()
        ready = [member[16:].decode() for member in self.client.zrange(self.keys.ready, 0, -1)]
        parked = [member.split(b" ", 1)[1][32:].decode() for member in self.client.zrange(self.keys.parked, 0, -1)]
        delayed = [member.decode() for member in self.client.zrange(self.keys.delayed, 0, -1)]
        leased = [member.split(b" ", 1)[1].decode() for member in self.client.zrange(self.keys.leases, 0, -1)]
        dead = [member.decode() for member in self.client.zrange(self.keys.dead, 0, -1)]
        for place, ids in {"waiting": ready + parked, "delayed": delayed, "leased": leased, "dead": dead}.items():
            assert sorted(ids) == sorted(self._in(place)), place
            found.update(ids)
        assert set(found.values()) <= {1}
        live = {message_id.decode() for message_id in self.client.hkeys(self.keys.messages)}
        assert live == {*ready, *parked, *delayed, *leased}
        assert {message_id.decode() for message_id in self.client.hkeys(self.keys.graves)} == set(dead)

    @invariant()
    def the_list_is_as_long_as_messages_may_start(self) -> None:
        may_start = min(self.client.zcard(self.keys.ready), max(0, self._free(WHOLE_QUEUE, self._in_work())))
        assert self.client.lrange(self.keys.list, 0, -1) == [TOKEN] * int(may_start)

    @invariant()
    def places_are_those_of_messages_in_work(self) -> None:
        found: Counter[str] = Counter()
        for member in self.client.zrange(self.keys.working, 0, -1):
            name, message_id = member.decode().split(" ", 1)
            assert self.caps[message_id] == name
            assert self.places[message_id] == "leased"
            found[name] += 1
        for name, most in self.most.items():
            if most is not None and name != WHOLE_QUEUE:
                assert found[name] == self._in_work()[name]

    @invariant()
    def who_is_parked_is_explained(self) -> None:
        for member in self.client.zrange(self.keys.parked, 0, 0):
            message_id = member.split(b" ", 1)[1][32:].decode()
            explained = self.queue.explain(message_id)
            assert (explained.place, explained.position) == ("parked", 0)
            assert explained.blocked is not None
            assert explained.blocked.cap == self.caps[message_id]
            assert explained.blocked.most == self.most[self.caps[message_id]]

    @invariant()
    def messages_are_conserved(self) -> None:
        size = self.queue.size()
        ended = self.gone["acked"] + self.gone["purged"] + self.gone["superseded"]
        assert size.counters["enqueued"] == (
            size.total_ready + size.parked + size.delayed + size.leased + size.dead + ended
        )
        assert (size.counters["acked"], size.counters["purged"]) == (self.gone["acked"], self.gone["purged"])

    @invariant()
    def priorities_never_invert(self) -> None:
        waiting = self.queue.peek(100)
        assert [m.priority for m in waiting] == sorted(m.priority for m in waiting)

    @invariant()
    def a_rank_is_kept(self) -> None:
        waiting = self._waiting()
        for message_id, place in self.places.items():
            if place == "waiting":
                self.ranks[message_id] = waiting[message_id]

    def _is_back(self, message_id: str) -> None:
        self.places[message_id] = "waiting"
        assert self._waiting()[message_id] == self.ranks[message_id]

    def _waiting(self) -> dict[str, tuple[float, bytes]]:
        """Return rank and member of every message that is ready or parked."""
        found = {member[16:].decode(): (rank, member) for member, rank in self._ready()}
        for entry in self.client.zrange(self.keys.parked, 0, -1):
            member = entry.split(b" ", 1)[1]
            found[member[32:].decode()] = (float(member[:16]), member[16:])
        return found

    def _ready(self) -> list[tuple[bytes, float]]:
        return self.client.zrange(self.keys.ready, 0, -1, withscores=True)

    def _may_start(self, n: int) -> list[str]:
        """Return who starts next: by rank, whoever's cap has room."""
        chosen: list[str] = []
        counted = self._in_work()
        for message_id, _ in sorted(self._waiting().items(), key=lambda item: item[1]):
            if len(chosen) < n and all(self._free(name, counted) > 0 for name in self._caps_of(message_id)):
                chosen.append(message_id)
                counted.update(self._caps_of(message_id))
        return chosen

    def _caps_of(self, message_id: str) -> list[str]:
        return [name for name in (self.caps[message_id], WHOLE_QUEUE) if name]

    def _in_work(self) -> Counter[str]:
        leased = self._in("leased")
        counted = Counter(self.caps[message_id] for message_id in leased if message_id not in self.condemned)
        counted[WHOLE_QUEUE] = len(leased)
        return counted

    def _free(self, name: str, counted: Counter[str]) -> float:
        most = self.most.get(name)
        return float("inf") if most is None else most - counted[name]

    def _in(self, place: str) -> list[str]:
        return sorted(message_id for message_id, found in self.places.items() if found == place)

    def _drop(self, data: st.DataObject) -> Leased:
        message = self.held.pop(data.draw(st.sampled_from(sorted(self.held))))
        self.condemned.discard(message.id)
        return message

    def _everything(self) -> dict[bytes, bytes]:
        self.client.hdel(self.keys.state, "seen")
        return {key: self.client.dump(key) for key in sorted(self.client.keys())}


def test_a_queue_keeps_every_message_in_one_place_and_in_order(redis_url: str) -> None:
    steps = settings(max_examples=60, stateful_step_count=40)
    with redis.Redis.from_url(redis_url) as client:
        run_state_machine_as_test(lambda: QueueMachine(client), settings=steps)
