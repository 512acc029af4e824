"""A private Redis-compatible server, brought along and gone with its owner."""

from meetingtasks.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer"]
