"""Telling other systems how tasks ended: signed deliveries to callback addresses, and a log of every attempt."""

from meetingtasks.callbacks.due import SubmitCallbacks
from meetingtasks.callbacks.signature import sign, verify
from meetingtasks.callbacks.webhooks import Webhooks

__all__ = ["SubmitCallbacks", "Webhooks", "sign", "verify"]
