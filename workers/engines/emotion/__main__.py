"""Moods from the command line: ``python -m workers.engines.emotion --text "…"`` or with a sound file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from workers.engines.emotion import analyse_audio, analyse_text
from workers.engines.errors import EngineError


def main() -> int:
    """Print the mood of a text or a sound file as JSON."""
    parser = argparse.ArgumentParser(prog="python -m workers.engines.emotion", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("file", nargs="?", type=Path, help="a sound file")
    source.add_argument("--text", help="a text")
    options = parser.parse_args()
    try:
        found = analyse_text(options.text) if options.text is not None else analyse_audio(options.file)
    except EngineError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 1
    sys.stdout.write(json.dumps(found.to_dict(), ensure_ascii=False, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
