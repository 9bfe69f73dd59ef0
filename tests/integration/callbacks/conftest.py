"""What the tests of callbacks share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from stenogram.jobs.callbacks.deliver import Deliverer
from stenogram.store.database import Database
from tests.integration.callbacks.office import Office
from tests.integration.callbacks.receiver import Receiver, serve


@pytest.fixture
def office(db: Database) -> Office:
    return Office(db)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serve() as served:
        yield served


@pytest.fixture
def run(office: Office) -> Iterator[Callable[[], Deliverer]]:
    """Start deliverers that work by themselves, and end them with the test."""
    running: list[Deliverer] = []

    def start() -> Deliverer:
        running.append(office.deliverer())
        running[-1].start()
        return running[-1]

    yield start
    for deliverer in running:
        deliverer.stop(0.5)
