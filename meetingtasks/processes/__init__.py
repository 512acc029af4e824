"""Child processes that end with their parent: one guarded child, or a named group kept running together."""

from meetingtasks.processes.guarded import Watch, spawn

__all__ = ["Watch", "spawn"]
