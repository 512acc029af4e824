"""The Redis lease transport for kombu: an accepted message is never lost, runs once, and keeps its priority.

>>> from meetingtasks.broker import install
>>> install()  # from here on, a redis:// URL means this transport
"""

from meetingtasks.broker.companion import Companion
from meetingtasks.broker.quarantine import Quarantine, Quarantined
from meetingtasks.broker.queue import LeaseOptions, LeaseQueue
from meetingtasks.broker.records import Explanation, Leased, Outgoing, Placed, QueueSize
from meetingtasks.broker.transport import install

__all__ = [
    "Companion",
    "Explanation",
    "LeaseOptions",
    "LeaseQueue",
    "Leased",
    "Outgoing",
    "Placed",
    "Quarantine",
    "Quarantined",
    "QueueSize",
    "install",
]
