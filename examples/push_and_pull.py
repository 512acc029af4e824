"""Pushes tasks with priorities 0-10 and works on them in this process. Needs a server and MT_BROKER_URL."""

import threading
from collections.abc import Mapping
from typing import Any

from meetingtasks import QueueManager, TaskContext, TaskWorker
from meetingtasks.settings import current


class Pipeline:
    """What is done with a task's data."""

    def __init__(self, expected: int) -> None:
        self.left = expected
        self.all_done = threading.Event()

    def run(self, data: Mapping[str, Any], context: TaskContext) -> dict[str, Any]:
        """Work in stages; a cancelled task stops at a stage's begin."""
        for number, stage in enumerate(("transcribing", "summarizing")):
            context.step(stage, number, 2)
        print("done:", data["name"])
        self.left -= 1
        if not self.left:
            self.all_done.set()
        return {"name": data["name"]}


def main() -> None:
    """Push three tasks and let a worker take the most important one first."""
    with QueueManager(redis_url=current().broker_url, queue_name="example_meetings") as queue:
        for name, priority in (("weekly_sync", 2), ("board_meeting", 9), ("stand_up", 5)):
            queue.push(f"task-{name}", {"name": name}, priority)
        print("waiting:", queue.get_queue_length())
        pipeline = Pipeline(expected=3)
        worker = TaskWorker(queue, pipeline, max_shutdown_wait=300)
        # in a program of its own, worker.start() alone is enough: it returns after SIGTERM or SIGINT
        running = threading.Thread(target=worker.start)
        running.start()
        pipeline.all_done.wait(60)
        worker.stop()
        running.join()


if __name__ == "__main__":
    main()
