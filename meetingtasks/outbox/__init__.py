"""The outbox: tasks that are accepted while the broker is away, on this machine's disk until it is back.

Every submission of our apps goes by `Outbox.hand_over`: to the broker, or, when that does not answer within seconds,
into a file that all processes of the machine share. Whichever of them is alive sends the file's tasks on, once each.
"""

from meetingtasks.outbox.entry import Entry
from meetingtasks.outbox.file import OutboxFile, Totals
from meetingtasks.outbox.lookup import Lookup
from meetingtasks.outbox.outbox import Outbox
from meetingtasks.outbox.places import attach, file_of, of
from meetingtasks.outbox.producer import Capture, OutboxProducer

__all__ = ["Capture", "Entry", "Lookup", "Outbox", "OutboxFile", "OutboxProducer", "Totals", "attach", "file_of", "of"]
