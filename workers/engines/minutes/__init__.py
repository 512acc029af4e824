"""Minutes of a meeting from its transcript: quoted, never invented; in English and Chinese."""

from workers.engines.minutes.extract import make_minutes
from workers.engines.minutes.markdown import minutes_markdown
from workers.engines.minutes.model import ActionItem, Decision, Minutes

__all__ = ["ActionItem", "Decision", "Minutes", "make_minutes", "minutes_markdown"]
