"""Child processes that end with their parent: one guarded child, or a named group kept running together."""

from meetingtasks.processes.group import ProcessGroup
from meetingtasks.processes.guarded import Watch, spawn
from meetingtasks.processes.program import Program, RestartPolicy

__all__ = ["ProcessGroup", "Program", "RestartPolicy", "Watch", "spawn"]
