"""The command group that all command modules add to."""

from __future__ import annotations

from .output import STaskGroup

stask_group = STaskGroup("stask", help="Run and look after background tasks.")
