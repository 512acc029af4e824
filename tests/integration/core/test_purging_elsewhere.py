"""A purge ends the tasks on the server that it purges, whatever server this process's settings name."""

from meetingtasks.dispatcher import TaskDispatcher
from meetingtasks.settings import current
from meetingtasks.states import TaskState


def test_purging_an_applications_queues_cancels_the_tasks_on_its_own_server(dispatcher: TaskDispatcher) -> None:
    task_id = dispatcher.dispatch({"type": "custom_task_type_1", "payload": {}}).task_id
    assert current().broker_url != dispatcher.app.conf.broker_url
    with dispatcher.app.connection_for_write() as connection:
        assert connection.default_channel.queue_purge("custom_tasks") == 1
    assert dispatcher.get_status(task_id) is TaskState.CANCELLED
