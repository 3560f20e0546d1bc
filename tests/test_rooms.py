"""The house: how many files lie in the hall, and that no two files need each other."""

from __future__ import annotations

from pathlib import Path

import grimp

import haa

PACKAGE = Path(haa.__file__).parent


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one module (Tarjan, SIAM J. Comput. 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in imports[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            component = []
            while not component or component[-1] != module:
                component.append(stack.pop())
            components.append(sorted(component))

    for module in imports:
        if module not in index:
            visit(module)
    return [component for component in components if len(component) > 1]


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_two_files_import_each_other_not_even_for_types():
    graph = grimp.build_graph("haa", exclude_type_checking_imports=False, cache_dir=None)
    # everything imports the package's own file, for its version
    imports = {name: graph.find_modules_directly_imported_by(name) - {"haa"} for name in graph.modules}
    assert len(imports) > 200
    assert circles(imports) == []


def test_the_hall_has_no_more_than_twelve_files():
    assert len(list(PACKAGE.glob("*.py"))) <= 12


def test_tests_stand_where_the_code_stands():
    tests = Path(__file__).parent
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    tested = {path.name for path in tests.iterdir() if path.is_dir() and any(path.rglob("test_*.py"))}
    assert rooms == tested
