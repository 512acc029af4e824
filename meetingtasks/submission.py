"""From a request to what is sent: validated payload, route, limits and the record's first values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from meetingtasks import urls
from meetingtasks.catalogue import Catalogue, TaskType
from meetingtasks.clock import SYSTEM, Clock, to_datetime
from meetingtasks.errors import BusinessError, InvalidPayload
from meetingtasks.idempotency import Claim, claim_of
from meetingtasks.payloads.border import validate
from meetingtasks.payloads.custom import CustomPayload
from meetingtasks.requests import TaskRequest
from meetingtasks.routing import ServiceRoute, broker_number, check_queue, from_broker_number
from meetingtasks.settings import Settings, current
from meetingtasks.states import Priority, TaskState
from meetingtasks.task_types import ALIAS_DEFAULTS, QUEUES

ModelT = TypeVar("ModelT", bound=BaseModel)

#: header that carries a record's first values to where the message is enqueued
RECORD_HEADER = "mt_record"
#: header that carries the reason of a retry
RETRY_HEADER = "mt_retry"
#: header by which messages of one meeting share their turn
KEY_HEADER = "mt_key"
#: time between the soft limit, an exception inside the task, and the hard one, its end
HARD_GRACE_S = 15
#: longest media whose length may extend a limit
MAX_MEDIA_S = 8 * 3600
#: a planned time that passed this little ago means now: clocks differ, and requests travel
PAST_S = 60
LONGEST_PLAN_DAYS = 366


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Everything that is needed to enqueue one task."""

    task_id: str
    celery_name: str
    queue: str
    kwargs: dict[str, Any]
    values: dict[str, Any]  # of the record
    options: dict[str, Any]  # for Celery's apply_async
    claim: Claim | None = None

    @property
    def state(self) -> TaskState:
        """The state in which the task is accepted."""
        return TaskState(self.values["state"])

    def under(self, task_id: str) -> Self:
        """Return it as the submission of another id."""
        return replace(self, task_id=task_id)


def celery_wishes(options: dict[str, Any], *, broker_url: str, clock: Clock = SYSTEM) -> dict[str, Any]:
    """Take what Celery's options say about a request out of them: queue, priority, eta, countdown and expires."""
    now = to_datetime(clock.now_ms())
    wishes: dict[str, Any] = {}
    queue, number = options.pop("queue", None), options.pop("priority", None)
    eta, countdown, expires = (options.pop(name, None) for name in ("eta", "countdown", "expires"))
    if queue is not None:
        wishes["queue"] = getattr(queue, "name", queue)
    if number is not None:
        wishes["priority"] = from_broker_number(number, broker_url).value
    if countdown:
        eta = now + timedelta(seconds=countdown)
    if eta is not None:
        wishes["eta"] = _aware(eta)
    if expires is not None:
        wishes["expires_at"] = now + timedelta(seconds=expires) if isinstance(expires, int | float) else _aware(expires)
    return wishes


def _aware(moment: Any) -> Any:
    """Read a time without zone as UTC, as Celery does."""
    return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) and moment.tzinfo is None else moment


def build_request(fields: Mapping[str, Any]) -> TaskRequest:
    """Read a request from plain data; InvalidPayload names each wrong field."""
    return build(TaskRequest, fields)


def build(model: type[ModelT], fields: Mapping[str, Any]) -> ModelT:
    """Read a model of the platform's own from plain data; InvalidPayload names each wrong field."""
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        problems = [
            {"field": "/" + "/".join(str(part) for part in e["loc"]), "problem": _problem(e)} for e in error.errors()
        ]
        text = "; ".join(f"{p['field']}: {p['problem']}" for p in problems)
        raise InvalidPayload(text, fields=problems) from None


def prepare(
    request: TaskRequest,
    catalogue: Catalogue,
    routes: Mapping[str, ServiceRoute],
    *,
    broker_url: str,
    clock: Clock = SYSTEM,
    settings: Settings | None = None,
) -> Submission:
    """Check a request against the catalogue and the custom routes; nothing is stored or sent.

    ``routes`` maps task type to custom route. Raises UnknownTaskType, InvalidPayload or BusinessError.
    """
    route = routes.get(request.type)
    task_type = catalogue.find(request.type)
    if route is None and task_type is None:
        raise catalogue.unknown(request.type, also=routes)
    if task_type is not None:
        payload = {**ALIAS_DEFAULTS.get(request.type, {}), **request.payload}
        kwargs = validate(task_type.payload, payload).model_dump(mode="json", exclude_unset=True)
        about = {"type": task_type.name, "name": task_type.celery_name, "service": task_type.service}
    else:
        kwargs = validate(CustomPayload, request.payload).root
        about = {"type": request.type}
    if route is not None:
        about |= {"name": route.celery_name(about["type"]), "service": route.service_name}
    queue = _queue(request, task_type, route)
    priority = request.priority or (task_type.priority if task_type else Priority.NORMAL)
    _check_callback(request, settings)
    times = _times(request, task_type, now=to_datetime(clock.now_ms()))
    return _submission(
        request,
        task_type,
        about={**about, "queue": queue, "priority": priority.value},
        kwargs=kwargs,
        times=times,
        number=broker_number(priority, broker_url),
    )


def _check_callback(request: TaskRequest, settings: Settings | None) -> None:
    """Refuse an address that will not be called, or that nothing could be signed for."""
    if request.callback_url is None:
        return
    settings = settings or current()
    try:
        urls.check(request.callback_url, urls.UrlPolicy.of(settings))
    except urls.AddressRefused as refused:
        raise _refused("/callback_url", refused.message) from refused
    name = request.callback_secret or "default"
    if name not in settings.webhook_secrets:
        raise _refused("/callback_secret", f"there is no secret {name!r} in MT_WEBHOOK_SECRETS")


def _queue(request: TaskRequest, task_type: TaskType | None, route: ServiceRoute | None) -> str:
    if route is not None:
        if request.queue not in (None, route.queue_name):
            raise BusinessError(f"task {request.type} is routed to {route.queue_name}", code="wrong_queue")
        return route.queue_name
    assert task_type is not None  # noqa: S101 - prepare() has refused an unknown type
    return check_queue(task_type, request.queue or task_type.queue, QUEUES)


def _times(request: TaskRequest, task_type: TaskType | None, *, now: datetime) -> dict[str, datetime]:
    """Return planned time (``eta``, unless it is now), start-by time (``expires``) and deadline, as there are."""
    eta, expires = request.eta, request.expires_at
    if eta is not None and eta < now - timedelta(seconds=PAST_S):
        raise _refused("/eta", f"is more than {PAST_S} s in the past")
    if eta is not None and eta > now + timedelta(days=LONGEST_PLAN_DAYS):
        raise _refused("/eta", f"is more than {LONGEST_PLAN_DAYS} days ahead")
    start = now if eta is None else max(now, eta)
    if expires is not None and expires <= now:
        raise _refused("/expires_at", "has passed")
    if expires is not None and expires <= start:
        raise _refused("/expires_at", "deadline is before eta")
    if expires is None and task_type is not None and task_type.expires_s is not None:
        expires = start + timedelta(seconds=task_type.expires_s)
    planned = {"eta": start} if start > now else {}
    if request.deadline_s is not None:
        deadline = now + timedelta(seconds=request.deadline_s)
        if deadline <= start:
            raise _refused("/deadline_s", "deadline is before eta")
        planned["deadline"] = deadline
        expires = deadline if expires is None else min(expires, deadline)  # nor does it start after that
    return planned if expires is None else {**planned, "expires": expires}


def _refused(field: str, problem: str) -> InvalidPayload:
    return InvalidPayload(f"{field}: {problem}", fields=[{"field": field, "problem": problem}])


def _submission(
    request: TaskRequest,
    task_type: TaskType | None,
    *,
    about: Mapping[str, str],
    kwargs: dict[str, Any],
    times: Mapping[str, datetime],
    number: int,
) -> Submission:
    task_id = request.task_id or str(uuid4())
    claim = claim_of(request, about["type"], kwargs)
    values: dict[str, Any] = {
        **about,
        "state": (TaskState.SCHEDULED if "eta" in times else TaskState.PENDING).value,
        "payload": kwargs,
        "metadata": request.metadata or None,
        **{name: getattr(request, name) for name in ("user_id", "meeting_id", "session_id", "project_id")},
        **{name: getattr(request, name) for name in ("pipeline_id", "parent_task_id", "trace_id")},
        "max_retries": request.max_retries,
        "timeout_s": request.timeout_s,
        "eta_ms": _ms(times.get("eta")),
        # by which the submitter of a chosen id sees whether the record is its own
        "submit_id": uuid4().hex if request.task_id else None,
        "expires_ms": _ms(times.get("expires")),
        "deadline_ms": _ms(times.get("deadline")),
        "heartbeat_s": request.heartbeat_s,
        "retry_policy": request.retry_policy,
        "claim": claim.name if claim else None,
        "callback_url": request.callback_url,
        "callback_secret": request.callback_secret,
    }
    soft_s, hard_s = limits(task_type, request.timeout_s)
    options: dict[str, Any] = {
        # what logs and events show: the names of the arguments, never their values
        "argsrepr": "()",
        "kwargsrepr": f"{{{', '.join(sorted(kwargs))}}}"[:200],
        "priority": number,
        "soft_time_limit": soft_s,
        "time_limit": hard_s,
        "headers": {
            RECORD_HEADER: {name: value for name, value in values.items() if value is not None},
            KEY_HEADER: "" if request.meeting_id is None else str(request.meeting_id),
        },
        **{name: times[name] for name in times.keys() & {"eta", "expires"}},
    }
    return Submission(
        task_id=task_id,
        celery_name=about["name"],
        queue=about["queue"],
        kwargs=kwargs,
        values=values,
        options=options,
        claim=claim,
    )


def limits(task_type: TaskType | None, timeout_s: float | None) -> tuple[float, float]:
    """Return the soft and the hard limit of an attempt in seconds."""
    if timeout_s is not None:
        return timeout_s, timeout_s + HARD_GRACE_S
    if task_type is None:
        return 60, 75
    # The media's length is known only inside the task, which then sets its own tighter limit.
    extra = task_type.media_factor * MAX_MEDIA_S
    return task_type.soft_limit_s + extra, task_type.hard_limit_s + extra


def message_id_of(task_id: str, retries: int) -> str:
    """Return the id of the message that carries a task's next attempt."""
    return f"{task_id}:{retries}"


def task_id_of(message_id: str) -> str:
    """Return the task whose attempt a message carries."""
    return message_id.rpartition(":")[0] or message_id


def eta_ms_of(eta: object) -> int | None:
    """Read a message's ``eta`` header, an ISO time, as milliseconds since 1970; None without one."""
    if not isinstance(eta, str):
        return None
    moment = datetime.fromisoformat(eta)
    return _ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _problem(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown field {str(error['loc'][-1])[:80]}"
    return str(error["msg"]).removeprefix("Value error, ").replace("Input should be ", "must be ")
