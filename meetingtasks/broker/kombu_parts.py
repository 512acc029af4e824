"""The parts of kombu that the transport builds on. Its stubs do not know them, so they are of type Any here, once."""

from __future__ import annotations

from typing import Any

from kombu import transport as _transports
from kombu.transport import redis as _redis
from kombu.transport import virtual as _virtual
from kombu.utils.json import JSONEncoder as _JSONEncoder
from kombu.utils.json import dumps as _dumps
from kombu.utils.json import loads as _loads

transports: Any = _transports
redis: Any = _redis
virtual: Any = _virtual
BatchPublishError: Any = redis.BatchPublishError
JSONEncoder: Any = _JSONEncoder
dumps: Any = _dumps
loads: Any = _loads

#: What a mixin stands on until it is mixed in.
mixin_base: Any = object
