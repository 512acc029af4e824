"""Handlers in this process and a queue between them and whoever publishes. Needs a server and MT_BROKER_URL."""

from meetingtasks import Message, NetworkError, RedisMessageQueue, RedisQueueConfig, TaskDispatcher
from meetingtasks.messages import ReceivedMessage


def greet(message: ReceivedMessage) -> dict[str, object]:
    """Handle a message; its return value is its result."""
    if message.attempt == 1 and message.payload.get("flaky"):
        raise NetworkError("not the first time")  # tried again
    return {"greeting": f"Hello, {message.payload['name']}!", "attempt": message.attempt}


def main() -> None:
    """Publish to a queue, handle what is published, and read the results."""
    config = RedisQueueConfig(queue_name="greetings", workers=2, poll_interval_s=0.5, visibility_timeout_s=30)
    with TaskDispatcher() as dispatcher:
        queue = RedisMessageQueue(dispatcher, config)
        queue.register_handler("greet", greet)
        queue.start()
        first = queue.publish(Message(type="greet", payload={"name": "Ada"}, max_retries=3))
        second = queue.publish({"type": "greet", "payload": {"name": "Bob", "flaky": True}, "timeout": 30})
        for task_id in (first, second):  # a message is a task like any other
            print(dispatcher.wait(task_id, timeout_s=60).result)
        queue.stop()
        print({name: count for name, count in queue.get_stats().items() if count})


if __name__ == "__main__":
    main()
