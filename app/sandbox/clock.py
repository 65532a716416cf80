"""The time of a stand-in that runs alone; within the service it is the database's."""

import time
from datetime import UTC, datetime


async def process_time() -> datetime:
    """Tell the process' own time."""
    return datetime.fromtimestamp(time.time(), UTC)
