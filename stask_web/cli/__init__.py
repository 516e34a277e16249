"""The commands ``flask stask ...``: thin, they go through the same door as the pages.

The extension adds :data:`stask_group` to the app's commands. Each module adds its own commands to it when one of them
is asked for.
"""

from __future__ import annotations

from .group import load, stask_group

__all__ = ["load", "stask_group"]
