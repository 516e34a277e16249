"""What an action's signature says: whether it can be called as it will be, and the model of its options."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial, partialmethod
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

from .errors import STaskError
from .fields import without_none
from .text import clean
from .typed import is_model_class

if TYPE_CHECKING:
    from pydantic import BaseModel

_WORKER, _TASK, _OPTIONS = object(), object(), object()


class BrokenSignature(STaskError):
    """An action that could only fail; the message says why."""


def options_model(cls: type[Any], name: str) -> type[BaseModel] | None:
    """The pydantic model by which the options of a method are annotated, or None for a plain dict.

    :param cls: the worker class.
    :param name: of the method, which is called with the task and the options.
    :raises BrokenSignature: it cannot be called so, or its annotation means nothing.
    """
    parameter = _parameter(cls, name)
    if parameter is None or parameter.annotation is inspect.Parameter.empty:
        return None
    annotation = parameter.annotation
    if _is_written(annotation):
        annotation = _resolved(annotation, cls, getattr(cls, name))
    model = _model_of(annotation)
    if model is not None and not model.__pydantic_complete__:
        _complete(model)
    return model


def _parameter(cls: type[Any], name: str) -> inspect.Parameter | None:
    """The parameter that gets the options; None where that cannot be told."""
    try:
        signature = inspect.signature(getattr(cls, name))
    except ValueError:  # of something that is not written in Python
        return None
    except Exception as error:
        raise BrokenSignature(f"its signature cannot be read: {type(error).__name__}: {clean(error, 300)}") from error
    held = inspect.getattr_static(cls, name)
    bound = isinstance(held, staticmethod | classmethod) or not hasattr(held, "__get__")
    given = (_TASK, _OPTIONS) if bound else (_WORKER, _TASK, _OPTIONS)
    try:
        taken = signature.bind(*given).arguments
    except TypeError as error:
        raise BrokenSignature(
            f"it is called with the task and the options, but is written as {name}{signature}: {clean(error)}"
        ) from None
    where = {key for key, value in taken.items() if value is _OPTIONS}
    if "options" in taken and taken["options"] is _TASK:
        raise BrokenSignature(f"it is called with the task first, but is written as {name}{signature}")
    return next((signature.parameters[key] for key in where), None)


def _is_written(annotation: Any) -> bool:
    """Whether an annotation is a text, or holds one, that stands for what it names."""
    if isinstance(annotation, str) or hasattr(annotation, "__forward_arg__"):
        return True
    return any(map(_is_written, get_args(annotation)))


def _resolved(annotation: Any, cls: type[Any], method: Any) -> Any:
    function = _function(method)
    home = sys.modules.get(getattr(function, "__module__", ""), None)
    names = {key: value for base in reversed(cls.__mro__[:-1]) for key, value in vars(base).items()}
    known = dict(getattr(function, "__globals__", None) or vars(home or object))

    def holder() -> None: ...

    holder.__annotations__ = {"options": annotation}
    for _ in range(_NAMES):
        try:
            return get_type_hints(holder, known, names, include_extras=True)["options"]
        except NameError as error:
            if error.name in known or error.name is None or not _find(error.name, home, known):
                raise BrokenSignature(f"the annotation of its options cannot be read: {clean(error)}") from None
        except Exception as error:
            raise BrokenSignature(
                f"the annotation of its options cannot be read: {type(error).__name__}: {clean(error, 300)}"
            ) from None
    return None


#: How many names an annotation may have that are only there for a type checker.
_NAMES = 20


def _find(name: str, home: Any, known: dict[str, Any]) -> bool:
    """Look for a name that is imported for type checkers only."""
    with suppress(OSError, TypeError, SyntaxError):
        for node in _typing_only(ast.parse(inspect.getsource(home))):
            for alias in node.names:
                if (alias.asname or alias.name.partition(".")[0]) == name:
                    with suppress(Exception):  # it may not be there when the program runs
                        known[name] = _imported(node, alias, home)
                        return True
    return False


def _typing_only(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    for part in tree.body:
        if isinstance(part, ast.If) and ast.unparse(part.test).rpartition(".")[2] == "TYPE_CHECKING":
            yield from (node for node in part.body if isinstance(node, ast.Import | ast.ImportFrom))


def _imported(node: ast.Import | ast.ImportFrom, alias: ast.alias, home: Any) -> Any:
    if isinstance(node, ast.Import):
        module = import_module(alias.name)
        return module if alias.asname else sys.modules[alias.name.partition(".")[0]]
    module = import_module("." * node.level + (node.module or ""), home.__package__)
    with suppress(AttributeError):
        return getattr(module, alias.name)
    return import_module(f"{module.__name__}.{alias.name}")


def _function(method: Any) -> Any:
    """The function in which a method's annotations were written."""
    while True:
        method = inspect.unwrap(method)
        method = getattr(method, "__partialmethod__", None) or getattr(method, "_partialmethod", None) or method
        if isinstance(method, partial | partialmethod):
            method = method.func
        elif hasattr(method, "__func__"):
            method = method.__func__
        elif not hasattr(method, "__globals__") and hasattr(type(method).__call__, "__globals__"):
            return type(method).__call__
        else:
            return method


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The one model that an annotation means, be it marked, optional or named anew."""
    for _ in range(_NAMES):
        if is_model_class(annotation):
            return annotation
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif hasattr(annotation, "__value__"):  # Python 3.12's `type X = ...`
            annotation = annotation.__value__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif without_none(annotation)[1] and get_origin(without_none(annotation)[0]) is not Union:
            annotation = without_none(annotation)[0]
        else:
            return None
    return None


def _complete(model: type[BaseModel]) -> None:
    """Let a model find the classes that were not there yet when it was written."""
    try:
        model.model_rebuild()
    except Exception as error:
        reason = clean(error, 300).partition("\n")[0]
        raise BrokenSignature(f"its options, {model.__name__}, are not complete: {reason}") from error
