"""Templates of a worker: the host's and ours first, then the ``templates`` folder of the worker's own package."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from flask import current_app, render_template
from jinja2 import ChoiceLoader, Environment, FileSystemLoader

_environments: WeakKeyDictionary[Environment, dict[tuple[str, ...], Environment]] = WeakKeyDictionary()


def render_own(worker: Any, template: str, context: dict[str, Any]) -> str:
    """Render a template with everything that the host's templates have.

    :param worker: whose package may hold it; None for none.
    :raises jinja2.TemplateNotFound: when it is nowhere.
    """
    folders = () if worker is None else _folders(type(worker).__module__)
    if not folders:
        return render_template(template, **context)
    values = dict(context)
    current_app.update_template_context(values)
    return _environment(current_app.jinja_env, folders).get_template(template).render(values)


def _environment(host: Environment, folders: tuple[str, ...]) -> Environment:
    """The host's with more places to look, made once."""
    known = _environments.setdefault(host, {})
    if folders not in known:
        loaders = [loader for loader in (host.loader, FileSystemLoader(folders)) if loader is not None]
        known[folders] = host.overlay(loader=ChoiceLoader(loaders))
    return known[folders]


@cache
def _folders(module: str) -> tuple[str, ...]:
    """The ``templates`` folders beside a module, and in each package above it."""
    package = module.rpartition(".")[0]
    found = []
    while package:
        file = getattr(sys.modules.get(package), "__file__", None)
        folder = Path(file).parent / "templates" if file else None
        if folder is not None and folder.is_dir():
            found.append(str(folder))
        package = package.rpartition(".")[0]
    return tuple(found)
