"""Client sessions: what a browser or an app may have under way, and what it is told of it."""

from meetingtasks.sessions.channel import ResponseChannel
from meetingtasks.sessions.manager import ClientTaskManager, Session
from meetingtasks.sessions.requests import ClientTaskRequest, ClientTaskResponse

__all__ = ["ClientTaskManager", "ClientTaskRequest", "ClientTaskResponse", "ResponseChannel", "Session"]
