"""Arguments of a platform's own task types: any JSON object."""

from __future__ import annotations

from pydantic import ConfigDict, RootModel

from meetingtasks.payloads.common import JsonObject


class CustomPayload(RootModel[JsonObject]):
    """Any JSON object within the limits of free-form objects; its result is any JSON."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)
