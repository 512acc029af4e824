"""How long a task may take, and what holds it to that.

Four limits: the start-by time (kept by the broker and by ``start.lua``), and for an attempt that runs its execution
limit, the task's deadline and the heartbeat (`AttemptLimits`). At the *soft* moment the task gets an exception
(`guard`); at the *hard* one, a grace later, its process and everything it started are ended (`guardian`), where tasks
run in processes of their own. An attempt that a limit ended is a ``timeout``.
"""

from meetingtasks.limits.attempt_limits import AttemptLimits

__all__ = ["AttemptLimits"]
