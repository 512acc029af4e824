"""What the broker calls a client: ``redis.Redis`` that leaves replies as bytes.

redis-py's hints allow text and bytes, sync and async in every reply; behind these names the broker reads bytes.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Client: TypeAlias = Any
Pipeline: TypeAlias = Any
