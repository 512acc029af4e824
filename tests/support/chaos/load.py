"""A producer that goes on whatever happens to the server, and remembers what was accepted."""

import random
import threading
import time
from pathlib import Path
from uuid import uuid4

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.errors import MeetingTasksError
from meetingtasks.states import Priority
from tests.support.history.model import Submission


class Load:
    """Submits tasks of all priorities from a thread, about ``per_s`` each second."""

    def __init__(self, dispatcher: TaskDispatcher, effects: Path, *, per_s: float, work_s: tuple[float, float]) -> None:
        self._dispatcher = dispatcher
        self._effects = effects
        self._pause_s = 1 / per_s
        self._work_s = work_s
        self._random = random.Random(17)
        self._done = threading.Event()
        self.accepted: list[Submission] = []
        #: ids of submissions that raised: nobody knows whether they were accepted
        self.unknown: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the submissions."""
        self._done.set()
        self._thread.join()

    def submit(self, **wanted: object) -> str:
        """Submit one task with an id of our own choice, so that it can be found whatever the answer was."""
        task_id = str(uuid4())
        payload = {"effects": str(self._effects), "work_s": round(self._random.uniform(*self._work_s), 3), **wanted}
        priority = self._random.choice(list(Priority)).value
        request = {"type": "custom_task_type_1", "payload": payload, "task_id": task_id, "priority": priority}
        try:
            self._dispatcher.dispatch(request)
        except MeetingTasksError:
            self.unknown.append(task_id)
        else:
            self.accepted.append(Submission(task_id=task_id, accepted_s=time.time()))
        return task_id

    def _run(self) -> None:
        while not self._done.wait(self._pause_s):
            self.submit()
