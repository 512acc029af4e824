"""``meetingtasks routes``: which task type goes to which queue, and custom services' routes."""

from __future__ import annotations

import re

import click

from meetingtasks.cli import output
from meetingtasks.cli.command import Command, Common, common_options, write_examples
from meetingtasks.cli.fleet import open_fleet
from meetingtasks.errors import BusinessError
from meetingtasks.routing import QUEUE_NAME_PATTERN, ServiceRoute

_EXAMPLES = (
    "meetingtasks routes",
    "meetingtasks routes list --queue ai_tasks --json",
    "meetingtasks routes add billing-service --queue custom_tasks --type invoice --type refund",
    "meetingtasks routes remove billing-service",
)


class RouteNotFound(BusinessError):
    """There is no custom route of this service."""

    code = "route_not_found"


class _Routes(click.Group):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        write_examples(_EXAMPLES, formatter)


@click.group(cls=_Routes, invoke_without_command=True)
@common_options
@click.pass_context
def routes(ctx: click.Context, *, common: Common) -> None:
    """List task types and their queues; add and remove the routes of services outside the catalogue."""
    ctx.obj = common
    if ctx.invoked_subcommand is None:
        _list(common, queue=None)


@routes.command(name="list", cls=Command, examples=(_EXAMPLES[1],))
@click.option("--queue", help="Only the types of this queue.")
@common_options
@click.pass_context
def list_routes(ctx: click.Context, *, queue: str | None, common: Common) -> None:
    """List every task type with its service and queue."""
    _list(_both(ctx, common), queue=queue)


@routes.command(name="add", cls=Command, examples=(_EXAMPLES[2],))
@click.argument("service", callback=lambda _ctx, _param, value: _name(value))
@click.option(
    "--queue", "queue", required=True, callback=lambda _ctx, _param, value: _name(value), help="The queue of its types."
)
@click.option(
    "--type", "types", multiple=True, required=True, callback=lambda _ctx, _param, value: tuple(map(_name, value)),
    help="A task type that the service runs; may be repeated.",
)  # fmt: skip
@common_options
@click.pass_context
def add(ctx: click.Context, *, service: str, queue: str, types: tuple[str, ...], common: Common) -> None:
    """Route the task types of SERVICE to a queue, for all processes and for good; replaces its earlier route."""
    both = _both(ctx, common)
    with open_fleet(both) as fleet:
        route = fleet.dispatcher.register_route(ServiceRoute(service_name=service, queue_name=queue, task_types=types))
    if both.as_json:
        output.document(route.model_dump())
    else:
        output.line(f"{', '.join(route.task_types)} of {route.service_name} now go to {route.queue_name}")


@routes.command(name="remove", cls=Command, examples=(_EXAMPLES[3],))
@click.argument("service")
@common_options
@click.pass_context
def remove(ctx: click.Context, *, service: str, common: Common) -> None:
    """Remove the custom route of SERVICE."""
    both = _both(ctx, common)
    with open_fleet(both) as fleet:
        if not fleet.dispatcher.remove_route(service):
            raise RouteNotFound(f"there is no custom route of {service!r}; list them with: meetingtasks routes")
    if both.as_json:
        output.document({"removed": service})
    else:
        output.line(f"the route of {service} is removed")


def _list(common: Common, *, queue: str | None) -> None:
    with open_fleet(common) as fleet:
        rows = [row for row in fleet.dispatcher.get_routes() if queue in (None, row["queue"])]
    if common.as_json:
        output.document(rows)
    else:
        output.table(("type", "queue", "service"), [(row["type"], row["queue"], row["service"]) for row in rows])


def _both(ctx: click.Context, own: Common) -> Common:
    """Return the options as given before or after the subcommand's name."""
    above: Common = ctx.obj
    return Common(broker_url=own.broker_url or above.broker_url, as_json=own.as_json or above.as_json)


def _name(text: str) -> str:
    if not re.fullmatch(QUEUE_NAME_PATTERN, text):
        raise click.BadParameter(f"{text!r} is no name: letters, digits, '_', '.' and '-', at most 100, a letter first")
    return text
