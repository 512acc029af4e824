"""Every key of the store, with its type, content and lifetime. Nobody writes a key by hand."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "mt:"

#: zset: ids of tasks that are not final, by time of acceptance in ms; for ever
LIVE: Final = PREFIX + "live"
#: zset: ids of failed tasks that used up their retries, by time of death in ms; until requeued or purged
DEAD: Final = PREFIX + "dead"
#: zset: fingerprints of the dead letters' errors, by time of their newest death in ms; as long as there is one of it
DEAD_FINGERPRINTS: Final = DEAD + ":fingerprints"
#: string: that many deaths within a minute were told; 60 s
DEAD_ALARM: Final = DEAD + ":alarm"
#: stream: one entry per act on a dead letter {action, task, actor, …}; capped in length
DEAD_AUDIT: Final = DEAD + ":audit"
#: zset: ids of redrives, by start in ms; as long as one is kept
REDRIVES: Final = PREFIX + "redrives"
#: zset: ids of ended tasks whose callback address is to be told, by end in ms; until its delivery is submitted
CALLBACKS: Final = PREFIX + "callbacks"
#: zset: ids of deliveries to other systems, by the time they were noted in ms; for 7 days, the newest 10 000
WEBHOOKS: Final = PREFIX + "webhooks"
#: hash: "<event>" and "<queue>:<event>" -> how often it happened; for ever
COUNTS: Final = PREFIX + "counts"
#: stream: one entry per change of a task's state {task, event, type, queue, …}; capped in length
STREAM: Final = PREFIX + "stream"
#: hash: service name -> its route as JSON; until removed
ROUTES: Final = PREFIX + "routes"
#: list: ends that came in the broker and that a chord, a chain or errbacks must be told, as JSON; until told
OWED: Final = PREFIX + "owed"
#: string: a worker tells them; ends by itself
TELLING: Final = PREFIX + "owed:telling"
#: hash: id of an API key -> what is known of it and its secret's SHA-256, as JSON; until revoked
API_KEYS: Final = PREFIX + "apikeys"
#: zset: ids of client sessions, by the last sign of life in ms; until they end
SESSIONS: Final = PREFIX + "sessions"
#: hash: total_requests, total_success and total_failed of all client sessions; for ever
SESSION_COUNTS: Final = PREFIX + "sessions:counts"
#: Pub/Sub channel: "<session> <its connection>" whenever a session's outbox or connection has changed
SESSION_WORDS: Final = PREFIX + "sessions:words"
#: zset: ids of runs that are not final, by start in ms; until they end
RUNS_LIVE: Final = PREFIX + "runs"
#: zset: ids of all kept runs, by start in ms; trimmed with the runs
RUNS_RECENT: Final = PREFIX + "runs:recent"
#: events of one channel that are kept, and for how long in ms
KEPT_EVENTS: Final = 10_000
KEPT_EVENTS_MS: Final = 24 * 3600 * 1000


def task(task_id: str) -> str:
    """Hash: one task's record and attempts; kept ``record_ttl_s`` after its end."""
    return f"{PREFIX}task:{task_id}"


def done(task_id: str) -> str:
    """Pub/Sub channel: Celery's result meta as JSON, once, at the task's end."""
    return f"{PREFIX}done:{task_id}"


def watch(task_id: str) -> str:
    """Pub/Sub channel: every change of one task {event, state, percent, step, message} as JSON."""
    return f"{PREFIX}watch:{task_id}"


def meeting(meeting_id: int | str) -> str:
    """Zset: ids of one meeting's tasks that are not final, by time of acceptance in ms; as long as there are any."""
    return f"{PREFIX}meeting:{meeting_id}"


def dead_group(fingerprint: str) -> str:
    """Zset: ids of the dead letters of one fingerprint, by time of death in ms; until requeued or purged."""
    return f"{DEAD}:group:{fingerprint}"


def redrive(redrive_id: str) -> str:
    """Hash: one redrive: what it requeues, how fast, how far it is; kept 7 days after its end."""
    return f"{PREFIX}redrive:{redrive_id}"


def redrive_open(redrive_id: str) -> str:
    """Zset: ids of tasks that a redrive requeued and whose end it has not counted, by generation; until they end."""
    return f"{PREFIX}redrive:{redrive_id}:open"


def claim(name: str) -> str:
    """String: task id and digest of the request of an idempotency key; for 24 h from the first use."""  # noqa: D401 - a kind
    return f"{PREFIX}claim:{name}"


def event_stream(channel: str) -> str:
    """Stream: a channel's events {event, task, envelope}; capped at 10 000 entries and 24 h."""
    return f"{PREFIX}events:{channel}"


def event_mark(mark: str) -> str:
    """String: the id of the event published under a mark; for 60 s, a mark of the caller's own for 24 h."""  # noqa: D401 - a kind
    return f"{PREFIX}event:{mark}"


def webhook(delivery_id: str) -> str:
    """Hash: what is delivered where, "attempt:<n>" -> how it went as JSON; 7 days from the last attempt."""
    return f"{PREFIX}webhook:{delivery_id}"


def run(run_id: str) -> str:
    """Hash: one pipeline run: its spec, stages, facts and percent; kept ``record_ttl_s`` after its end."""
    return f"{PREFIX}run:{run_id}"


def run_parts(run_id: str, stage: str) -> str:
    """Hash: index of a part of a stage -> its outcome as JSON; kept as long as the run."""
    return f"{PREFIX}run:{run_id}:parts:{stage}"


def run_released(run_id: str) -> str:
    """List: the transcript's parts as JSON, in the order of the recording; kept as long as the run."""
    return f"{PREFIX}run:{run_id}:released"


def session(session_id: str) -> str:
    """Hash: one client session: user, meeting, connection, seq of its last frame; until it ends."""
    return f"{PREFIX}session:{session_id}"


def session_requests(session_id: str) -> str:
    """Hash: request id -> task id, digest of the request and time in ms, as JSON; as long as the session."""
    return f"{PREFIX}session:{session_id}:requests"


def session_open(session_id: str) -> str:
    """Hash: request id -> task id, of the requests whose final frame is not written; as long as the session."""
    return f"{PREFIX}session:{session_id}:open"


def session_outbox(session_id: str) -> str:
    """Stream: the newest 500 frames that the client is owed, under ``<seq>-0``; as long as the session."""
    return f"{PREFIX}session:{session_id}:outbox"


def session_log(session_id: str) -> str:
    """List: what the session did, as JSON; the newest 500 lines, until a day after its end."""
    return f"{PREFIX}session:{session_id}:log"
