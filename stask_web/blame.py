"""When the code of an action's author breaks while options are checked: which field it was, for the person at the form.

A function of choices or a validator may raise anything. That is nothing that a form can be wrong with, and yet it is
shown as such, so that what was typed is kept; the log says the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .errors import InvalidOptions, STaskError
from .fields import Choices, first_mark, marks_of
from .language import tr
from .options import check_deep, check_model, validate

if TYPE_CHECKING:
    from pydantic import BaseModel

log = logging.getLogger(__name__)

_CHECKS = frozenset(check.__code__ for check in (validate, check_model, check_deep))


@contextmanager
def authors_code(what: str, model: type[BaseModel] | None, values: Mapping[str, Any]) -> Iterator[None]:
    """Tell what breaks in a check of an author's as an error of its field.

    :param what: whose code it is, for the log.
    :param values: that are checked.
    :raises InvalidOptions: instead of what the author's code raised.
    """
    try:
        yield
    except STaskError:
        raise
    except Exception as error:
        if model is None or not _came_from_a_check(error.__traceback__):
            raise
        name, of_choices = _broken(model, values)
        log.exception("What %s checks its options by broke%s.", what, f", at the field {name!r}" if name else "")
        raise InvalidOptions({name: _sentence(of_choices)}) from error


def _came_from_a_check(trace: TracebackType | None) -> bool:
    while trace is not None:
        if trace.tb_frame.f_code in _CHECKS:
            return True
        trace = trace.tb_next
    return False


def _sentence(of_choices: bool) -> str:
    if of_choices:
        return tr("The choices could not be loaded. Try again in a moment.")
    return tr("This could not be checked: the check itself broke. Whoever runs this site finds the reason in its log.")


def _broken(model: type[BaseModel], values: Mapping[str, Any]) -> tuple[str, bool]:
    """The field whose own check breaks, tried one by one, and whether it is its choices; "" for several together."""
    for name, info in model.model_fields.items():
        factory = info.default_factory
        alone = factory is not None and name not in values and not info.default_factory_takes_validated_data
        if alone and _breaks(factory):  # type: ignore[arg-type]
            return name, False
    if not _breaks(partial(model.model_validate, {})):
        for name, value in values.items():
            if _breaks(partial(model.model_validate, {name: value}, by_alias=True, by_name=True)):
                return name, False
    for name, info in model.model_fields.items():
        source = first_mark(marks_of(info), Choices)
        if source is not None and _breaks(partial(source, dict(values))):
            return name, True
    return "", False


def _breaks(check: Callable[[], Any]) -> bool:
    """Whether a check raises what no check should."""
    from pydantic import ValidationError  # who has a model has loaded it

    try:
        check()
    except ValidationError:
        return False
    except Exception:
        return True
    return False
