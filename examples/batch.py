"""Submits many tasks in one round trip. Needs a fleet (`make up`) and MT_BROKER_URL."""

from meetingtasks import TaskDispatcher

SENTENCES = ["I love this.", "It is a table.", "What a disaster!"] * 10


def main() -> None:
    """Ask for many moods; one request is wrong on purpose and costs the others nothing."""
    requests = [{"type": "emotion_detection", "payload": {"text": text}} for text in SENTENCES]
    requests.insert(7, {"type": "emotion_detecton", "payload": {"text": "a misspelt type"}})
    with TaskDispatcher() as dispatcher:
        answers = dispatcher.dispatch_batch(requests)
        for answer in answers:
            if answer.error is not None:
                print("refused:", answer.error["message"])
        ended = [dispatcher.wait(answer.task_id, timeout_s=60) for answer in answers if answer.ok]
        print(sum(end.ok for end in ended), "of", len(requests), "completed")


if __name__ == "__main__":
    main()
