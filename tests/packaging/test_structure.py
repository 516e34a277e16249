"""Rules of the layers that import-linter cannot say: single names, and what only one module may know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUEST_NAMES = {"request", "session", "render_template", "render_template_string"}
KNOW_A_REQUEST = (
    "views",
    "sockets",
    "relay",
    "cli",
    "forms",
    "formatting",
    "access",
    "readers",
    "standalone",
    "extension",
)
# What SQLAlchemy and Alembic call, and document.
HOOKS = {"process_bind_param", "process_result_value", "load_dialect_impl", "upgrade", "downgrade"}
ONE_PLACE = {"flask_socketio": "sockets.py", "celery": "engines/celery.py"}


@pytest.fixture
def modules(repository: Path) -> dict[str, ast.Module]:
    """Every module of the package, parsed, by its path below the package."""
    package = repository / "stask_web"
    return {str(path.relative_to(package)): ast.parse(path.read_text()) for path in sorted(package.rglob("*.py"))}


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (module, name) for each import outside ``if TYPE_CHECKING:``, wherever it stands."""
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def test_only_the_web_layer_knows_a_request(modules: dict[str, ast.Module]) -> None:
    offenders = [
        f"{path}: {name}"
        for path, tree in modules.items()
        if not path.removesuffix(".py").split("/")[0].startswith(KNOW_A_REQUEST)
        for module, name in imports(tree)
        if module == "flask" and name in REQUEST_NAMES
    ]
    assert offenders == []


@pytest.mark.parametrize("library", ONE_PLACE)
def test_a_library_is_known_in_one_module_only(modules: dict[str, ast.Module], library: str) -> None:
    users = {path for path, tree in modules.items() for module, _ in imports(tree) if module.split(".")[0] == library}
    assert users <= {ONE_PLACE[library]}


def test_every_public_thing_has_a_docstring(modules: dict[str, ast.Module]) -> None:
    bare = [
        f"{path}: {getattr(node, 'name', 'module')}"
        for path, tree in modules.items()
        for node in public_definitions(tree)
        if node.body and not ast.get_docstring(node)
    ]
    assert bare == []


def public_definitions(
    tree: ast.Module,
) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the module, and its public classes and functions with their public methods (not overloads)."""
    yield tree
    for owner in (tree, *(node for node in tree.body if isinstance(node, ast.ClassDef) and is_public(node))):
        for node in owner.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and is_public(node):
                yield node


def is_public(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a reader meets this definition (an overload is described at the real one)."""
    overload = any(ast.unparse(decorator).endswith(("overload", ".setter")) for decorator in node.decorator_list)
    return not node.name.startswith("_") and node.name not in HOOKS and not overload
