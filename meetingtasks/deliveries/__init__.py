"""Tasks handed to plain Python, for those who run them outside a Celery worker.

`Deliveries` takes tasks out of one queue: each comes under a lease with its attempt begun, and is completed, failed or
given back. `run` runs one under its limits, `LeaseRenewal` keeps leases while that lasts. Records, retries, callbacks,
chains and dead letters are the same as in any worker, because an end goes through Celery's own tracer.
"""

from meetingtasks.deliveries.attempt import Attempt, Outcome
from meetingtasks.deliveries.border import translated
from meetingtasks.deliveries.delivery import Delivery
from meetingtasks.deliveries.renewal import LeaseRenewal
from meetingtasks.deliveries.source import Deliveries

__all__ = ["Attempt", "Deliveries", "Delivery", "LeaseRenewal", "Outcome", "translated"]
