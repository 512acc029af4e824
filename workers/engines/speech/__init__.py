"""Speech recognition: the engines' interface, their transcripts, and the choice among them."""

from workers.engines.speech.choose import ENGINES, SpeechConfig, choose
from workers.engines.speech.interface import SpeechEngine
from workers.engines.speech.transcript import Segment, Transcript, Word

__all__ = ["ENGINES", "Segment", "SpeechConfig", "SpeechEngine", "Transcript", "Word", "choose"]
