"""Moods in pictures of faces: refused, because a guess without a model would be made up."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from workers.engines.errors import NotConfigured

SETTING = "MT_FACE_MODEL_PATH"


def analyse_image(path: Path, *, model_path: Path | None = None) -> NoReturn:
    """Refuse with ``NotConfigured``, naming the setting, or saying that no face engine comes with this release."""
    if model_path is None:
        message = f"no model for faces is configured; set {SETTING} to an ONNX emotion model"
        raise NotConfigured(message, setting=SETTING)
    message = f"{path.name} was not looked at: this release has no engine that runs the model of {SETTING}"
    raise NotConfigured(message, setting=SETTING)
