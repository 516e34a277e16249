"""Runs ONE claimed task in the calling thread; what comes out is always an :class:`~stask_web.claims.Outcome`."""

from .act import Watcher, run_claimed
from .run import TaskRun

__all__ = ["TaskRun", "Watcher", "run_claimed"]
