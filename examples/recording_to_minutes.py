"""Turns a recording into minutes and shows how far it is. Needs a fleet (`make up`) and MT_BROKER_URL.

Usage: python examples/recording_to_minutes.py [FILE]
"""

import sys
from pathlib import Path

from meetingtasks import Progress, StateService, TaskDispatcher
from meetingtasks.settings import current
from workers.engines.storage import Storage

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "second.flac"


def show(progress: Progress) -> None:
    """Print one line of progress."""
    print(f"{progress.percent:5.1f} %  {progress.step:<10}  {progress.message}")


def main() -> None:
    """Put the file where the workers may read it, submit it, watch it, print the minutes."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE
    storage = Storage(current().storage_root)
    url = storage.put(file, f"uploads/{file.name}").url  # workers read files under the storage root only
    with TaskDispatcher() as dispatcher, StateService(dispatcher) as state:
        accepted = dispatcher.dispatch(
            {"type": "process_recording", "payload": {"audio_files": [url], "meeting_date": "2026-03-02"}}
        )
        state.subscribe_progress(accepted.task_id, show)
        ended = dispatcher.wait(accepted.task_id, timeout_s=900)
        if ended.error is not None:
            sys.exit(f"{ended.status}: {ended.error['message']}")
        print(f"coverage {ended.result['coverage']:.0%}, engine {ended.result['engine']}")
        print(storage.path_of(ended.result["minutes_md_url"]).read_text("utf-8"))


if __name__ == "__main__":
    main()
