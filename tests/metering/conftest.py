"""Fixtures: a desk with 1,000 micro-credits."""

from collections.abc import AsyncIterator

import pytest

from tests.metering.desk import Desk, desk_of
from tests.scene import Scene


@pytest.fixture
async def desk(scene: Scene) -> AsyncIterator[Desk]:
    """Open a desk."""
    async with desk_of(scene, 1000) as one:
        yield one
