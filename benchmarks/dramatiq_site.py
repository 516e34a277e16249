"""The peer of the drain benchmark on Redis: a task that does nothing, for dramatiq's own worker."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from .stamps import note

#: A database and names of our own: the server may serve others as well.
broker = RedisBroker(url=os.environ["DRAMATIQ_BENCH_URL"], namespace=os.environ["DRAMATIQ_BENCH_NAME"])
dramatiq.set_broker(broker)


@dramatiq.actor
def nothing() -> None:
    """Do nothing but note when."""
    note()
