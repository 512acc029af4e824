"""The mood of a text or a voice, as far as words and sound can honestly tell."""

from workers.engines.emotion.face import analyse_image
from workers.engines.emotion.model import Emotion
from workers.engines.emotion.text import analyse_text, analyse_texts
from workers.engines.emotion.voice import analyse_audio

__all__ = ["Emotion", "analyse_audio", "analyse_image", "analyse_text", "analyse_texts"]
