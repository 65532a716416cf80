"""Fixtures: a stand-in for Stripe of this test alone."""

from collections.abc import AsyncIterator

import pytest

from tests.sandbox.stripe_stage import Stage, stripe_stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Serve a stand-in."""
    async with stripe_stage() as one:
        yield one
