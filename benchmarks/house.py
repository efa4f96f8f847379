"""The figures by which the house is judged: how many loose modules, layers, circles, vague names and types.

python -m benchmarks.house [FOLDER OF autotune/]
"""

import ast
import io
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

VAGUE = ("found", "one", "told", "asked", "given", "kept", "known")
"""Names that say of a local nothing that its reader does not know."""


@dataclass(frozen=True)
class Figures:
    """Of a package's sources.

    Attributes:
        lines: of Python.
        loose: modules at the root, without __init__ and __main__.
        rows: of the contract of imports.
        anys: places of `Any`, save imports: file, line, whether a reason stands beside it.
        behind: places of names that stand for Any and nothing else: objects of libraries without types.
        within: places of names of types that have Any in them: a JSON object's values, an array's numbers.
        vague: places of locals with a name of VAGUE.
        measured: places of asserts that something is not None.
        circles: groups of modules that import each other.
    """

    lines: int
    loose: list[str]
    rows: list[str]
    anys: list[tuple[str, int, bool]]
    behind: list[tuple[str, int, str]]
    within: list[tuple[str, int, str]]
    vague: list[tuple[str, int, str]]
    measured: list[tuple[str, int]]
    circles: list[list[str]]


def figures(root: Path = ROOT) -> Figures:
    """Those of the package autotune below a checkout's root."""
    package = root / "autotune"
    sources = {str(path.relative_to(root)): path.read_text() for path in sorted(package.rglob("*.py"))}
    trees = {name: ast.parse(source) for name, source in sources.items()}
    loose = [path.stem for path in package.glob("*.py") if not path.stem.startswith("__")]
    contract = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    return Figures(
        lines=sum(source.count("\n") for source in sources.values()),
        loose=sorted(loose),
        rows=contract["layers"],
        anys=[(name, *place) for name, source in sources.items() for place in _anys(source)],
        behind=list(_named(trees, alone=True)),
        within=list(_named(trees, alone=False)),
        vague=[(name, *place) for name, tree in trees.items() for place in _vague(tree)],
        measured=[(name, line) for name, tree in trees.items() for line in _measured(tree)],
        circles=_circles(trees),
    )


def _anys(source: str) -> Iterator[tuple[int, bool]]:
    """Lines with `Any` in code; its reason is a comment on the line, or a docstring below its alias."""
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        imported = token.line.startswith(("from ", "import "))
        if token.type == tokenize.NAME and token.string == "Any" and not imported:
            alias = token.line[:1].isalpha() and " = " in token.line and lines[token.end[0]].startswith('"""')
            yield token.start[0], alias or "#" in token.line


def _named(trees: dict[str, ast.Module], *, alone: bool) -> Iterator[tuple[str, int, str]]:
    """Places of names that a module has for Any, alone or within another type, there and where they are imported."""
    made = {_module(path): set(_aliases(tree, alone)) for path, tree in trees.items()}
    for path, tree in trees.items():
        imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
        imported = ({alias.name for alias in node.names} & made.get(str(node.module), set()) for node in imports)
        names = made[_module(path)].union(*imported)
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
                yield path, node.lineno, node.id


def _aliases(tree: ast.Module, alone: bool) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Name | ast.Subscript):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            parts = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
            if isinstance(target, ast.Name) and "Any" in parts and isinstance(node.value, ast.Name) == alone:
                yield target.id


def _vague(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The locals of each function, arguments and loop variables too, each once."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        names: dict[str, int] = {}
        for node in _own(function):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.setdefault(node.id, node.lineno)
            elif isinstance(node, ast.arg):
                names.setdefault(node.arg, node.lineno)
        yield from ((line, name) for name, line in names.items() if name in VAGUE)


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions in it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from _own(node)


def _measured(tree: ast.AST) -> Iterator[int]:
    """Lines of asserts that something is there, or was measured."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and ast.unparse(node.test).endswith(("is not None", "state == 'measured'")):
            yield node.lineno


def _circles(trees: dict[str, ast.Module]) -> list[list[str]]:
    """Modules that import each other, in whatever way, also for types alone."""
    names = {_module(path): path for path in trees}
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        for node in ast.walk(trees[path]):
            if isinstance(node, ast.ImportFrom) and node.module:
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                graph[name] |= {full if full in names else node.module for full in whole} & (names.keys() - {name})
            elif isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names} & names.keys()
    reached = {name: _reached(graph, name) for name in graph}
    groups = {tuple(sorted(other for other in reached[name] if name in reached[other])) for name in graph}
    return [list(group) for group in sorted(groups) if group]


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    reached, left = set[str](), list(graph[start])
    while left:
        if (name := left.pop()) not in reached:
            reached.add(name)
            left += graph[name]
    return reached


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def main(root: Path = ROOT) -> None:
    """Prints the table, and where it is not as wanted."""
    now = figures(root)
    thousands = now.lines / 1000
    without = [f"{file}:{line}" for file, line, reason in now.anys if not reason]
    everything = len(now.anys) + len(now.behind) + len(now.within)
    for name, value, wanted in (
        ("loose modules at the package root", len(now.loose), 10),
        ("rows of the import contract", len(now.rows), 18),
        ("import circles", len(now.circles), 0),
        ("Any per 1,000 lines", round(len(now.anys) / thousands, 1), 10),
        ("of which without a reason", len(without), 0),
        ("with names that stand for Any alone", round((len(now.anys) + len(now.behind)) / thousands, 1), 10),
        ("likewise, and types with Any in them", round(everything / thousands, 1), "-"),
        (f"locals named {', '.join(VAGUE)} per 1,000 lines", round(len(now.vague) / thousands, 2), 1),
        ("asserts that something was measured", len(now.measured), 0),
    ):
        print(f"{name:75} {value:>7}  wanted {wanted}")
    print(f"lines {now.lines}")
    rooms = Counter(file.split("/")[1] for file, *_ in now.anys), Counter(file.split("/")[1] for file, *_ in now.vague)
    for title, counts in zip(("Any", "vague"), rooms, strict=True):
        print(title, dict(counts.most_common()))
    for circle in now.circles:
        print("circle", *circle)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
