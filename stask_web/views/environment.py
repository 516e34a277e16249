"""Where templates are drawn: ours in a Jinja of our own, the host's in the host's.

A host may have marks, filters, names or a strictness of its own; what we wrote means the same in every site. The host's
layout, its widgets and what it puts in the place of a template of ours are drawn as the host draws: each of the two
environments gives the other one's templates when it is asked for them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

from flask import current_app, request, url_for
from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, Template, TemplateNotFound
from jinja2.compiler import CodeGenerator
from jinja2.runtime import Context
from jinja2.utils import missing

from ..paths import TEMPLATES

OURS = "stask_web/"
_KEY = "stask.names"
_EXTENSION = "stask_templates"


def our_template(name: str) -> Template:
    """A template of ours, or what the host has put in its place.

    :param name: with ``stask_web/`` before it.
    """
    return _pair().ours.get_template(name)


def host_template(name: str) -> Template:
    """A template of the host, which may use ours.

    :raises jinja2.TemplateNotFound: the host has none of that name.
    """
    return _pair().theirs().get_template(name)


def draw_for_worker(worker: Any, name: str, values: Mapping[str, Any]) -> str:
    """Draw a template of a worker: the host's or ours, else from the ``templates`` folder of the worker's own package.

    :param worker: whose package may hold it; None for none.
    :raises jinja2.TemplateNotFound: it is nowhere.
    """
    if name.startswith(OURS):
        return our_template(name).render(values)
    folders = _folders(type(worker).__module__) if worker is not None else ()
    return _pair().theirs(folders).get_template(name).render({**host_names(), **values})


def host_names() -> Mapping[str, Any]:
    """What every template of the host may use: its globals, and the values of its context processors."""
    found: dict[str, Any] | None = request.environ.get(_KEY)
    if found is None:
        values: dict[str, Any] = {}
        current_app.update_template_context(values)
        found = request.environ[_KEY] = {**current_app.jinja_env.globals, **values}
    return found


class Pair:
    """The two environments of an app.

    :param host: the environment of the app.
    """

    def __init__(self, host: Environment) -> None:
        self._host = host
        self._theirs: dict[tuple[str, ...], Environment] = {}
        self.ours = Environment(loader=_OurLoader(self), autoescape=True, auto_reload=host.auto_reload)
        self.ours.globals.update(url_for=url_for, request=request)

    def theirs(self, folders: tuple[str, ...] = ()) -> Environment:
        """The host's environment, in which ours are ours.

        :param folders: more places to look, after the host's.
        """
        if folders not in self._theirs:
            # Its compiled templates are no use to the host, nor the host's to it.
            other: dict[str, Any] = {"bytecode_cache": None, "enable_async": False}
            made = self._host.overlay(loader=_TheirLoader(self, folders), **other)
            made.code_generator_class = _with_host_names(made.code_generator_class)
            self._theirs[folders] = made
        return self._theirs[folders]

    def replaced(self, name: str) -> bool:
        """Whether the host has a template of its own in the place of ours."""
        if self._host.loader is None:
            return False
        try:
            file = self._host.loader.get_source(self._host, name)[1]
        except TemplateNotFound:
            return False
        return file is None or not Path(file).resolve().is_relative_to(TEMPLATES)

    def host_loader(self) -> list[BaseLoader]:
        """Where the host looks now."""
        return [self._host.loader] if self._host.loader is not None else []


class _OurLoader(FileSystemLoader):
    """Our files, but the host's template where it has one of that name."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(TEMPLATES)
        self._pair = pair

    def load(self, environment: Environment, name: str, globals: MutableMapping[str, Any] | None = None) -> Template:
        """A template by its name."""
        if self._pair.replaced(name):
            return self._pair.theirs().get_template(name)
        return super().load(environment, name, globals)


class _TheirLoader(BaseLoader):
    """The host's templates, and ours as ours."""

    def __init__(self, pair: Pair, folders: tuple[str, ...]) -> None:
        self._pair = pair
        self._folders = FileSystemLoader(folders)

    def load(self, environment: Environment, name: str, globals: MutableMapping[str, Any] | None = None) -> Template:
        """A template by its name."""
        if name.startswith(OURS) and not self._pair.replaced(name):
            return self._pair.ours.get_template(name)
        return ChoiceLoader([*self._pair.host_loader(), self._folders]).load(environment, name, globals)


def names_of(context: Context) -> Callable[[str], Any]:
    """What finds the names of a host's template: what it was given, then what the host gives to all of its own."""

    def find(name: str) -> Any:
        value = context.resolve_or_missing(name)
        return value if value is not missing else host_names().get(name, missing)

    return find


def _with_host_names(generator: type[CodeGenerator]) -> type[CodeGenerator]:
    """A compiler whose templates find the host's names also as a part, or as the layout, of a page of ours."""

    class WithHostNames(generator):  # type: ignore[valid-type, misc]
        def write_commons(self) -> None:
            super().write_commons()
            self.writeline(f"from {__name__} import names_of")
            self.writeline("resolve = names_of(context)")

    return WithHostNames


def _pair() -> Pair:
    found: Pair | None = current_app.extensions.get(_EXTENSION)
    if found is None:
        found = current_app.extensions[_EXTENSION] = Pair(current_app.jinja_env)
    return found


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
