"""meetingtasks: the task fleet behind a video-meeting platform.

The names below are the public ones; each is loaded when it is first used, so that a command which needs one part does
not wait for all of them. Inside the project, modules import from the full module.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meetingtasks.context import TaskContext
    from meetingtasks.dispatcher import TaskDispatcher
    from meetingtasks.embedded import EmbeddedServer
    from meetingtasks.errors import (
        BrokerUnavailable,
        BusinessError,
        InvalidPayload,
        MeetingTasksError,
        NetworkError,
        ResourceError,
        ResultNotReady,
        TaskConflict,
        TaskFailed,
        TaskNotFound,
        TransientError,
        UnknownTaskType,
        WaitTimeout,
    )
    from meetingtasks.events import Event, LocalEventBus, PubSubMessage, RedisPubSubQueue
    from meetingtasks.message_queue import RedisMessageQueue
    from meetingtasks.messages import Message, RedisQueueConfig
    from meetingtasks.push_worker import TaskWorker
    from meetingtasks.queue_manager import QueueBackend, QueueManager
    from meetingtasks.queues import Queues
    from meetingtasks.records import Attempt, Progress, TaskRecord
    from meetingtasks.requests import TaskRequest, TaskResponse
    from meetingtasks.routing import ServiceRoute
    from meetingtasks.sessions import ClientTaskManager, ClientTaskRequest, ClientTaskResponse
    from meetingtasks.settings import Settings
    from meetingtasks.state_service import StateService
    from meetingtasks.states import ErrorClass, Priority, TaskState
    from meetingtasks.task import Service

_NAMES = {
    # submitting and asking
    "TaskDispatcher": "dispatcher",
    "TaskRequest": "requests",
    "TaskResponse": "requests",
    "ServiceRoute": "routing",
    # what is known of a task
    "TaskRecord": "records",
    "Attempt": "records",
    "Progress": "records",
    "TaskState": "states",
    "Priority": "states",
    "ErrorClass": "states",
    # declaring tasks
    "Service": "task",
    "TaskContext": "context",
    # the parts under the names of earlier systems
    "StateService": "state_service",
    "RedisMessageQueue": "message_queue",
    "RedisQueueConfig": "messages",
    "Message": "messages",
    "QueueManager": "queue_manager",
    "QueueBackend": "queue_manager",
    "TaskWorker": "push_worker",
    # clients of a session
    "ClientTaskManager": "sessions",
    "ClientTaskRequest": "sessions",
    "ClientTaskResponse": "sessions",
    # the operator's view of the queues
    "Queues": "queues",
    # events in this process and between processes
    "LocalEventBus": "events",
    "RedisPubSubQueue": "events",
    "PubSubMessage": "events",
    "Event": "events",
    # a private server, and the settings
    "EmbeddedServer": "embedded",
    "Settings": "settings",
    # what can go wrong
    "MeetingTasksError": "errors",
    "NetworkError": "errors",
    "TransientError": "errors",
    "ResourceError": "errors",
    "BusinessError": "errors",
    "BrokerUnavailable": "errors",
    "InvalidPayload": "errors",
    "ResultNotReady": "errors",
    "TaskConflict": "errors",
    "TaskFailed": "errors",
    "TaskNotFound": "errors",
    "UnknownTaskType": "errors",
    "WaitTimeout": "errors",
}

__all__ = [
    "Attempt",
    "BrokerUnavailable",
    "BusinessError",
    "ClientTaskManager",
    "ClientTaskRequest",
    "ClientTaskResponse",
    "EmbeddedServer",
    "ErrorClass",
    "Event",
    "InvalidPayload",
    "LocalEventBus",
    "MeetingTasksError",
    "Message",
    "NetworkError",
    "Priority",
    "Progress",
    "PubSubMessage",
    "QueueBackend",
    "QueueManager",
    "Queues",
    "RedisMessageQueue",
    "RedisPubSubQueue",
    "RedisQueueConfig",
    "ResourceError",
    "ResultNotReady",
    "Service",
    "ServiceRoute",
    "Settings",
    "StateService",
    "TaskConflict",
    "TaskContext",
    "TaskDispatcher",
    "TaskFailed",
    "TaskNotFound",
    "TaskRecord",
    "TaskRequest",
    "TaskResponse",
    "TaskState",
    "TaskWorker",
    "TransientError",
    "UnknownTaskType",
    "WaitTimeout",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _NAMES:
        raise AttributeError(f"module 'meetingtasks' has no attribute {name!r}")
    return getattr(importlib.import_module(f"meetingtasks.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
