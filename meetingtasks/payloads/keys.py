"""The key of a task's content: equal exactly when type and payload are equal, down to the last byte of inline data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def content_key(task_type_name: str, payload: BaseModel | Mapping[str, Any]) -> str:
    """Return the SHA-256 (hexadecimal) over the type's name and the whole payload, defaults included.

    The order of keys does not matter. A reference counts as its text: a file that changed under the same name has the
    same key, so callers who replace files in place give a key of their own.
    """
    data = payload.model_dump(mode="json") if isinstance(payload, BaseModel) else dict(payload)
    canonical = json.dumps([task_type_name, data], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
