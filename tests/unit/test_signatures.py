"""What an action's signature says of its options, and that one which could only fail is named at discovery."""

from __future__ import annotations

import functools
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NewType, Optional

import pytest
from pydantic import BaseModel

from stask_web import BaseWorker
from stask_web.actions import action_specs, broken_actions
from stask_web.discovery import Registry
from stask_web.errors import UnknownAction
from stask_web.worker import find_spec

if TYPE_CHECKING:
    from collections.abc import Mapping as Names
    from decimal import Decimal

    from nowhere import Nothing  # type: ignore[import-not-found]

    from . import test_keeping as kept
    from .test_second_check import Order


class Options(BaseModel):
    """The model that is to be found."""

    a: int = 1


class Other(BaseModel):
    """A second one."""

    b: int = 1


Renamed = NewType("Renamed", Options)


def logged(method: Any) -> Any:
    """A decorator as hosts have them."""

    @functools.wraps(method)
    def inner(*args: Any, **more: Any) -> Any:
        return method(*args, **more)

    return inner


class Callable_:
    """An action that is an object."""

    def __call__(self, task: Any, options: Options) -> None: ...


class Typed(BaseWorker):
    """All these have a model."""

    identifier = "typed"

    class Own(Options):
        """A model in the class."""

    def task_default(self, task: Any, options: Options | None = None) -> None: ...

    def task_optional(self, task: Any, options: Optional[Options] = None) -> None: ...  # noqa: UP045

    def task_marked(self, task: Any, options: Annotated[Options, "x"]) -> None: ...

    def task_both(self, task: Any, options: Annotated[Annotated[Options, 1] | None, "x"]) -> None: ...

    def task_quoted(self, task: Any, options: Annotated[Options, "x"]) -> None: ...

    def task_other_name(self, task: Decimal, given: Options) -> Nothing: ...

    def task_own(self, task: Any, options: Own) -> None: ...

    def task_renamed(self, task: Any, options: Renamed) -> None: ...

    def task_checked(self, task: Any, options: Order) -> None: ...

    def task_module(self, task: Any, options: kept.Cat | None) -> None: ...

    @staticmethod
    def task_static(task: Any, options: Options) -> None: ...

    @classmethod
    def task_class(cls, task: Any, options: Options) -> None: ...

    @logged
    def task_decorated(self, task: Any, options: Options) -> None: ...

    task_partial = functools.partialmethod(task_default)
    task_object = Callable_()


class Untyped(BaseWorker):
    """None of these has one."""

    identifier = "untyped"

    def task_bare(self, task, options): ...  # type: ignore[no-untyped-def]

    def task_any(self, task: Any, options: Any) -> None: ...

    def task_dict(self, task: Any, options: dict[str, Any] | None = None) -> None: ...

    def task_checked(self, task: Any, options: Names[str, Any]) -> None: ...

    def task_two(self, task: Any, options: Options | Other) -> None: ...

    def task_star(self, *args: Any, **more: Any) -> None: ...


class Broken(BaseWorker):
    """None of these can be run; one other can."""

    identifier = "broken"

    def task_good(self, task: Any, options: Options) -> None: ...

    def task_no_options(self, task: Any) -> None: ...

    def task_three(self, task: Any, options: Any, more: Any) -> None: ...

    def task_keyword(self, task: Any, *, options: Any) -> None: ...

    def task_swapped(self, options: Options, task: Any) -> None: ...

    def task_missing(self, task: Any, options: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    def task_nowhere(self, task: Any, options: Nothing) -> None: ...

    def task_nonsense(self, task: Any, options: "Options ||") -> None: ...  # type: ignore  # noqa

    def task_open(self, task: Any, options: Open) -> None: ...


class Open(BaseModel):
    """Its part is never written."""

    part: Never | None = None  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("name", action_specs(Typed))
def test_the_model_is_found(name: str) -> None:
    model = action_specs(Typed)[name].model
    assert model is not None and issubclass(model, BaseModel)
    assert Typed().invoke_action(name, None, model.model_construct()) is None  # type: ignore[arg-type]


def test_all_are_found() -> None:
    written = [name for name in vars(Typed) if name.startswith("task_")]
    assert [f"task_{name}" for name in action_specs(Typed)] == written and not broken_actions(Typed)


@pytest.mark.parametrize("name", [name for name in vars(Untyped) if name.startswith("task_")])
def test_anything_else_is_a_plain_dict(name: str) -> None:
    assert action_specs(Untyped)[name.removeprefix("task_")].model is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("task_no_options", "is written as task_no_options(self, task: 'Any')"),
        ("task_three", "'more'"),
        ("task_keyword", "is called with the task and the options"),
        ("task_swapped", "is called with the task first"),
        ("task_missing", "'Missing' is not defined"),
        ("task_nowhere", "'Nothing' is not defined"),
        ("task_nonsense", "cannot be read"),
        ("task_open", "its options, Open, are not complete"),
    ],
)
def test_what_could_only_fail_is_left_out_with_its_reason(name: str, reason: str) -> None:
    assert reason in broken_actions(Broken)[name]
    with pytest.raises(UnknownAction, match="cannot be used"):
        find_spec(Broken, name.removeprefix("task_"))


def test_the_others_of_its_worker_stay() -> None:
    assert list(action_specs(Broken)) == ["good"]


def test_discovery_names_worker_action_and_reason_and_goes_on(tmp_path: Path, monkeypatch: Any) -> None:
    package = tmp_path / "signed_workers"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "some.py").write_text(
        textwrap.dedent("""
        from __future__ import annotations
        from stask_web import BaseWorker

        class Half(BaseWorker):
            identifier = "half"

            def task_bad(self, task, options: Gone): ...

            def task_good(self, task, options): ...

        class Whole(BaseWorker):
            identifier = "whole"

            def task_ping(self, task, options): ...
        """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry(["signed_workers"])
    assert sorted(registry.classes()) == ["half", "whole"]
    assert [(item.name, item.reason) for item in registry.broken] == [
        (
            "signed_workers.some:Half.task_bad",
            "the annotation of its options cannot be read: name 'Gone' is not defined",
        )
    ]
    registry.rescan()
    assert len(registry.broken) == 1
