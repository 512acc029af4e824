"""A fleet without workers, whose tasks die by the store's own steps."""

from collections.abc import Iterator

import pytest

from meetingtasks.dispatcher import TaskDispatcher
from tests.support.dead_letters import Graveyard


@pytest.fixture
def yard(broker_url: str) -> Iterator[Graveyard]:
    with TaskDispatcher(broker_url) as dispatcher:
        yield Graveyard(dispatcher)
