"""Fixtures: a desk with 1,000 micro-credits."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.metering.desk import Desk, desk_of
from tests.scene import Scene


@pytest.fixture
async def desk(scene: Scene) -> AsyncIterator[Desk]:
    """Open a desk whose calls wait for long: a machine that has much to do is no outage."""
    patient = scene.settings.model_copy(update={"database_timeout_seconds": 120})
    async with desk_of(replace(scene, settings=patient), 1000) as one:
        yield one
