"""The broker against Celery's stock Redis transport: what each loses, repeats, delays and costs, side by side.

Run it with ``make bench-broker`` or ``python benchmarks/broker.py [--short] [--json] [--only GROUP…]``. Both sides are
the same plain Celery application on the same server binary with the same settings; docs/benchmarks.md has the method.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# for the process from which the workers are forked
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))

from benchmarks.support import (  # noqa: E402 - a program's own directory is the only one on Python's path
    cuts,
    delays,
    fairness,
    flatness,
    keeping,
    kills,
    latency,
    leases,
    malformed,
    order,
    recovery,
    restarts,
    throughput,
)
from benchmarks.support.report import HEAD, Row, as_json, as_line  # noqa: E402
from benchmarks.support.scale_of import SHORT, TINY, Scale  # noqa: E402

GROUPS: dict[str, Callable[[Scale], Iterator[Row]]] = {
    "kills": kills.rows,
    "recovery": recovery.rows,
    "cuts": cuts.rows,
    "leases": leases.rows,
    "delays": delays.rows,
    "order": order.rows,
    "fairness": fairness.rows,
    "restarts": restarts.rows,
    "malformed": malformed.rows,
    "latency": latency.rows,
    "throughput": throughput.rows,
    "keeping": keeping.rows,
    "flatness": flatness.rows,
}


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="under five minutes")
    parser.add_argument("--tiny", action="store_true", help="whether it works at all; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="a JSON list instead of the table")
    parser.add_argument(
        "--only", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="GROUP", help=", ".join(GROUPS)
    )
    return parser.parse_args(arguments)


def measured(scale: Scale, names: list[str]) -> Iterator[Row]:
    """Measure the groups of these names; tells on standard error how long each took."""
    for name in names:
        began = time.monotonic()
        yield from GROUPS[name](scale)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def main() -> None:
    """Print the table while it grows, or the JSON at the end."""
    given = read_arguments()
    rows = measured(TINY if given.tiny else SHORT if given.short else Scale(), given.only)
    if given.json:
        print(as_json(list(rows)))
        return
    print(HEAD)
    for row in rows:
        print(as_line(row), flush=True)


if __name__ == "__main__":
    main()
