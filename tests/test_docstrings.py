"""Docstrings: what a function does begins with a verb, and whatever is public and fills nothing in has one."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import haa

NO_VERB = {
    *("A", "All", "An", "Any", "As", "At", "Both", "By", "Each", "Every", "For", "From", "Half", "How", "In", "It"),
    *("Its", "Likewise", "No", "Nothing", "Of", "On", "One", "Several", "Some", "That", "The", "Their", "Theirs"),
    *("This", "Those", "To", "Two", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "With", "Without"),
}


def modules() -> Iterator[ModuleType]:
    for module in pkgutil.walk_packages(haa.__path__, "haa."):
        if module.name != "haa.__main__":
            yield importlib.import_module(module.name)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and not any("property" in ast.dump(d) for d in node.decorator_list):
            yield node


def test_a_functions_docstring_begins_with_a_verb():
    wrong = []
    for path in sorted(Path(haa.__file__).parent.rglob("*.py")):
        for node in functions(ast.parse(path.read_text())):
            text = ast.get_docstring(node)
            if text and re.split(r"\W", text)[0] in {*NO_VERB, ""}:
                wrong.append(f"{path.name}:{node.lineno} {node.name}: {text.splitlines()[0]}")
    assert wrong == []


def described(member: Any) -> bool:
    function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
    function = getattr(function, "func", function)  # a cached property
    return bool(inspect.getdoc(function) if not inspect.isfunction(function) else function.__doc__)


def is_method(member: Any) -> bool:
    kinds = (property, classmethod, staticmethod)
    return inspect.isfunction(member) or isinstance(member, kinds) or hasattr(member, "func")


def test_a_public_method_without_a_docstring_fills_in_another_classs():
    found = {cls for module in modules() for _, cls in inspect.getmembers(module, inspect.isclass)}
    ours = [cls for cls in found if cls.__module__.startswith("haa.") and not cls.__name__.startswith("_")]
    protocols = [cls for cls in ours if getattr(cls, "_is_protocol", False)]
    wrong = []
    for cls in ours:
        for name, member in vars(cls).items():
            if name.startswith("_") or not is_method(member) or described(member):
                continue
            if not any(hasattr(base, name) for base in (*cls.__mro__[1:], *protocols)):
                wrong.append(f"{cls.__module__}.{cls.__qualname__}.{name}")
    assert sorted(wrong) == []
