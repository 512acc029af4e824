"""Events inside one process: nothing leaves it, and emitting never waits."""

from meetingtasks import LocalEventBus
from meetingtasks.events import Event, EventBufferFull


def main() -> None:
    """Emit two events and count what happened to them."""
    bus = LocalEventBus(buffer_size=1000, workers=4)

    def on_started(event: Event) -> None:
        print(event.type, event.payload["stream_id"], "from", event.source)

    bus.on("stream_started", on_started)
    bus.start()
    try:
        bus.emit("stream_started", {"stream_id": "stream_123"}, "media_service")
        bus.emit("stream.started", {"stream_id": "stream_124"}, "media_service")  # the same event, spelt anew
    except EventBufferFull as full:
        print("dropped:", full)
    bus.stop()  # hands over what was accepted
    print(bus.get_stats())


if __name__ == "__main__":
    main()
