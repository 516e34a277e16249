"""sTask for Flask: background jobs that the people behind a site run themselves, from a panel inside the site."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from .access import AccessPolicy, RolePolicy
from .actions import action
from .errors import STaskError, TaskFailed, TaskInterrupt
from .extension import STask, stask
from .models import Task, WorkerRecord
from .options import Choices, DryRun, Upload, UploadedPath
from .progress import nice_eta
from .status import Status
from .worker import BaseWorker, TaskInterface

if TYPE_CHECKING:
    from flask import Flask

try:
    __version__ = version("stask-web")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0.0.0"

__all__ = [
    "AccessPolicy",
    "BaseWorker",
    "Choices",
    "DryRun",
    "RolePolicy",
    "STask",
    "STaskError",
    "Status",
    "Task",
    "TaskFailed",
    "TaskInterface",
    "TaskInterrupt",
    "Upload",
    "UploadedPath",
    "WorkerRecord",
    "action",
    "create_app",
    "nice_eta",
    "stask",
]


def create_app(config: dict[str, Any] | None = None) -> Flask:
    """A whole site with nothing but the panel and accounts of its own.

    :param config: Flask settings that lie over those from the environment.
    """
    from .standalone import build_app

    return build_app(STask(), config)
