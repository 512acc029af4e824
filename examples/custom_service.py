"""A task type and a service of one's own.

Its worker:    meetingtasks worker examples.custom_service -Q custom_tasks
Its producer:  python -m examples.custom_service        (needs MT_BROKER_URL)
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from meetingtasks import BusinessError, NetworkError, Priority, Service, TaskContext
from meetingtasks.catalogue import TaskType
from meetingtasks.retry import RetryBudget
from meetingtasks.task_types import CATALOGUE


class BadgePayload(BaseModel):
    """The arguments: checked where the task is submitted, and again before it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=80)]
    company: str = ""


class BadgeResult(BaseModel):
    """The result."""

    lines: list[str]
    attempt: int


CATALOGUE.add(
    TaskType(
        name="make_badge",
        service="custom-service",
        queue="custom_tasks",
        payload=BadgePayload,
        result=BadgeResult,
        priority=Priority.HIGH,
        soft_limit_s=10,
        hard_limit_s=15,
        retries=RetryBudget(network=3, transient=2, resource=0),
        summary="A name badge for a guest",
    )
)

service = Service("custom-service", queue="custom_tasks")
app = service.app


@service.task(BadgePayload)
def make_badge(payload: BadgePayload, ctx: TaskContext) -> BadgeResult:
    """Set the lines of a badge."""
    if payload.name.isdigit():
        raise BusinessError(f"{payload.name!r} is no name", code="not_a_name")  # never retried
    ctx.step("fetch the logo", 0, 2)
    if ctx.attempt == 1 and payload.company == "Flaky Inc.":
        raise NetworkError("the logo's server does not answer")  # tried again, with growing delays
    ctx.step("set the text", 1, 2)
    ctx.check()  # stop here if the task was cancelled
    ctx.log.info("a badge was made", extra={"lines": 2})
    return BadgeResult(lines=[payload.name, payload.company], attempt=ctx.attempt)


def main() -> None:
    """Submit two badges: one that needs a second attempt, and one with a wrong name."""
    made = make_badge.submit({"meeting_id": 456}, name="Ada", company="Flaky Inc.")
    print(made.get(timeout=60))
    refused = make_badge.delay(name="123")
    print(refused.get(timeout=60, propagate=False))


if __name__ == "__main__":
    # the worker knows this module by its name, so the producer must not know it as __main__
    from examples import custom_service

    custom_service.main()
