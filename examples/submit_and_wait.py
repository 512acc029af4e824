"""Submits one task in two ways and waits for its result. Needs a fleet (`make up`) and MT_BROKER_URL."""

from meetingtasks import TaskDispatcher
from workers.ai import emotion_detection


def main() -> None:
    """Ask for the mood of two sentences."""
    # Celery's own way. The arguments are checked here already: a misspelt one never reaches a worker.
    submitted = emotion_detection.delay(text="What a good idea, thank you!")
    print("delay:", submitted.get(timeout=60)["emotion"])

    # The dispatcher's way, which knows more: priority, meeting, waiting, progress, cancelling.
    with TaskDispatcher() as dispatcher:
        answer = dispatcher.dispatch_and_wait(
            {
                "type": "emotion_detection",
                "payload": {"text": "This is terrible, I hate it."},
                "priority": "high",
                "meeting_id": 456,
            },
            timeout_s=60,
        )
        record = dispatcher.get(answer.task_id)
        print("dispatcher:", answer.status, answer.result["emotion"], f"by {record.worker.partition('@')[0]}")


if __name__ == "__main__":
    main()
