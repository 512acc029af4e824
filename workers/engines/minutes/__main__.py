"""Minutes from the command line: ``python -m workers.engines.minutes transcript.json``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from workers.engines.minutes import make_minutes, minutes_markdown


def main() -> int:
    """Read a transcript file (an object with ``segments``, or the list itself) and print its minutes."""
    parser = argparse.ArgumentParser(prog="python -m workers.engines.minutes", description=__doc__)
    parser.add_argument("transcript", type=Path, help="JSON file with segments {id, text, speaker?}")
    parser.add_argument("--date", help="the meeting's date, YYYY-MM-DD; turns 'by Friday' into a date")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    options = parser.parse_args()
    try:
        found = json.loads(options.transcript.read_text("utf-8"))
        segments = found["segments"] if isinstance(found, dict) else found
        minutes = make_minutes(segments, meeting_date=options.date)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        sys.stderr.write(f"{options.transcript}: not a transcript: {error}\n")
        return 1
    text = json.dumps(minutes.to_dict(), ensure_ascii=False, indent=2) if options.json else minutes_markdown(minutes)
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
