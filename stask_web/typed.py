"""Whether something is pydantic's, asked without loading it: it takes 6 MB, and a site whose actions all take a plain
dict needs none of it. Where it was never loaded, nothing can be its.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from pydantic import BaseModel, SecretBytes, SecretStr


def _known(module: str, name: str) -> tuple[type[Any], ...]:
    """A class of a module that is loaded, or is being loaded by another thread; none of one that is not."""
    found = getattr(sys.modules.get(module), name, None)
    return () if found is None else (found,)


def is_model(value: object) -> TypeGuard[BaseModel]:
    """Whether a value is an instance of a pydantic model."""
    return isinstance(value, _known("pydantic.main", "BaseModel"))


def is_model_class(value: object) -> TypeGuard[type[BaseModel]]:
    """Whether a value is a pydantic model."""
    return isinstance(value, type) and issubclass(value, _known("pydantic.main", "BaseModel"))


def is_secret_class(value: object) -> TypeGuard[type[SecretStr | SecretBytes]]:
    """Whether a value is the class ``SecretStr`` or ``SecretBytes``, or one below it."""
    return isinstance(value, type) and issubclass(value, _secrets()[:2])


def is_secret(value: object) -> TypeGuard[SecretStr | SecretBytes]:
    """Whether a value is a ``SecretStr``, a ``SecretBytes`` or another ``Secret``."""
    return isinstance(value, _secrets())


def _secrets() -> tuple[type[Any], ...]:
    if "pydantic.types" not in sys.modules:
        return ()
    names = ("SecretStr", "SecretBytes", "Secret")
    return tuple(cls for name in names for cls in _known("pydantic.types", name))
