"""Dead letters: tasks that failed for the last time, kept until somebody requeues or purges them.

`DeadLetters` counts, lists, groups, edits, requeues and purges them; `Redrives` requeues many at a rate. Both are
reached by ``dispatcher.dead_letters``.
"""

from meetingtasks.dead_letters.letters import DeadLetters, Group, Page, Requeued
from meetingtasks.dead_letters.redrive import Redrives
from meetingtasks.dead_letters.where import Where
from meetingtasks.store.redrives import Redrive, RedrivePlan

__all__ = ["DeadLetters", "Group", "Page", "Redrive", "RedrivePlan", "Redrives", "Requeued", "Where"]
