"""Finding worker classes: entry points of the group ``stask.workers`` and the packages of ``STASK_WORKER_PACKAGES``."""

from __future__ import annotations

import importlib
import inspect
import logging
import pkgutil
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from .actions import broken_actions, normal_name
from .text import clean
from .worker import TaskInterface, find_spec

GROUP = "stask.workers"
#: An identifier is part of addresses and of a column of 100 characters.
_IDENTIFIER = re.compile(r"[^\W_](?:[\w.-]{0,98}\w)?|_[\w.-]{0,98}\w")
_ALLOWED = "use letters, digits, '_', '-' and '.', at most 100"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Broken:
    """A module, class or action that could not be used.

    :param name: the module, class, action's method or entry point.
    :param reason: the error, in one line.
    """

    name: str
    reason: str


class Registry:
    """The worker classes of one app, found at first use.

    :param packages: names of packages that are imported and walked.
    """

    def __init__(self, packages: Iterable[str]) -> None:
        self._packages = tuple(packages)
        self._lock = threading.RLock()
        self._classes: dict[str, type[Any]] | None = None
        self._added: dict[str, type[Any]] = {}
        self.broken: list[Broken] = []

    def get(self, identifier: str) -> type[Any] | None:
        """The class with that identifier, or None."""
        return self.classes().get(identifier)

    def classes(self) -> dict[str, type[Any]]:
        """Identifier -> class, of all that were found."""
        with self._lock:
            if self._classes is None:
                self._classes = self._find()
            return {**self._classes, **self._added}

    def spellings(self, action: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """What a spelling of an action's name means, and what only looks like it: pairs of identifier and action.

        A worker may have actions whose names differ in nothing but capitals.
        """
        wanted = normal_name(action)
        meant: list[tuple[str, str]] = []
        others: list[tuple[str, str]] = []
        for identifier, cls in self.classes().items():
            alike = [name for name in cls().actions() if normal_name(name) == wanted]
            for name in alike:
                (meant if name == find_spec(cls, action).name else others).append((identifier, name))
        return meant, others

    def add(self, cls: type[Any]) -> None:
        """Register a class by hand, as tests do."""
        self._added[str(cls.identifier)] = cls

    def rescan(self) -> dict[str, type[Any]]:
        """Look again: modules that are new are imported, those already imported stay as they are."""
        importlib.invalidate_caches()
        with self._lock:
            self._classes = None
            return self.classes()

    def _find(self) -> dict[str, type[Any]]:
        self.broken = []
        found: dict[str, type[Any]] = {}
        for cls in self._candidates():
            identifier = str(getattr(cls, "identifier", "") or "")
            other = found.get(identifier)
            if other is not None and other is not cls:
                self._report(class_name(cls), f"its identifier {identifier!r} is taken by {class_name(other)}")
            elif self._usable(cls, identifier):
                found[identifier] = cls
        return found

    def _usable(self, cls: type[Any], identifier: str) -> bool:
        if not identifier:
            self._report(class_name(cls), "it has no identifier")
            return False
        if not _IDENTIFIER.fullmatch(identifier):
            self._report(class_name(cls), f"its identifier {identifier!r} cannot stand in an address: {_ALLOWED}")
            return False
        try:
            cls().actions()
            for method, reason in broken_actions(cls).items():
                self._report(f"{class_name(cls)}.{method}", reason)
        except Exception as error:
            self._report(class_name(cls), f"it cannot be made: {_reason(error)}")
            return False
        return True

    def _candidates(self) -> Iterator[type[Any]]:
        for point in entry_points(group=GROUP):
            loaded = self._load(f"{point.name} = {point.value}", point.load)
            yield from _classes_in(loaded) if isinstance(loaded, ModuleType) else [loaded] if _is_worker(loaded) else []
        for package in self._packages:
            for module in self._walk(package):
                yield from _classes_in(module)

    def _walk(self, name: str) -> Iterator[ModuleType]:
        """A package and all modules below it; a package that cannot be imported hides only what is below itself."""
        module = self._import(name)
        if module is None:
            return
        yield module
        for info in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
            if not info.name.endswith(".__main__"):  # a program, not a part of the package
                yield from self._walk(info.name)

    def _import(self, name: str) -> ModuleType | None:
        found: ModuleType | None = self._load(name, lambda: importlib.import_module(name))
        return found

    def _load(self, name: str, load: Callable[[], Any]) -> Any:
        """What there is under a name; None when loading it fails, even by ending the program."""
        try:
            return load()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._report(name, _reason(error))
            return None

    def _report(self, name: str, reason: str) -> None:
        if not any(item.name == name for item in self.broken):
            self.broken.append(Broken(name, reason))
            _log.warning("%s is skipped: %s", name, reason)


def class_name(cls: type[Any]) -> str:
    """Where a class lives, as ``module:Class``."""
    return f"{cls.__module__}:{cls.__qualname__}"


def _is_worker(thing: Any) -> bool:
    return inspect.isclass(thing) and issubclass(thing, TaskInterface) and not inspect.isabstract(thing)


def _classes_in(module: ModuleType) -> list[type[Any]]:
    own = [thing for thing in vars(module).values() if _is_worker(thing) and thing.__module__ == module.__name__]
    return [cls for cls in own if getattr(cls, "identifier", "") or not cls.__name__.startswith("Base")]


def _reason(error: BaseException) -> str:
    where = ""
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    last = [frame for frame in frames if "importlib" not in frame.filename]
    if last:
        where = f" (line {last[-1].lineno} of {last[-1].filename.rsplit('/', 1)[-1]})"
    return clean(f"{type(error).__name__}: {clean(error, 500)}{where}".replace("\n", " "))
