"""Measure the tree from its imports: places, arrows, levels, circles, lines, public names defined twice.

A place is a module or folder directly below `pipeline` or `serving`, and `nightcap` and `dags` as a whole; an arrow is
an import from one place to another, lazy and typing imports included. A level is the longest chain of arrows to a
place that imports no other; places of a circle count as one.
"""

from __future__ import annotations

import ast
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipeline", "serving", "nightcap", "dags")
PRODUCT = (*PACKAGES, "infra")
CONVENTIONAL = {"log", "main", "app", "command"}  # one a file, called by its file's name

Arrows = dict[str, set[str]]


def product_files() -> list[Path]:
    """Every Python file of the product, as git knows them."""
    command = ["git", "-C", str(CHECKOUT), "ls-files", "-z", *(f"{name}/*.py" for name in PRODUCT)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [CHECKOUT / name for name in listed.split("\0") if name]


def place_of(module: str) -> str:
    """The place that a module belongs to: `pipeline.storage.files` to `pipeline.storage`."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] in {"pipeline", "serving"} else parts[0]


def arrows() -> Arrows:
    """The places that each place imports."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    found: Arrows = defaultdict(set)
    for module in graph.modules:
        place = place_of(module)
        if place in {"pipeline", "serving"}:  # their empty __init__
            continue
        found[place] |= {place_of(imported) for imported in graph.find_modules_directly_imported_by(module)}
    return {place: imported - {place, "pipeline", "serving"} for place, imported in found.items()}


def circles(graph: Arrows) -> list[set[str]]:
    """Places that import each other, directly or through others."""
    reachable = {place: _reachable(graph, place) for place in graph}
    found = []
    for place in sorted(graph):
        circle = {other for other in reachable[place] if place in reachable[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def _reachable(graph: Arrows, start: str) -> set[str]:
    found: set[str] = set()
    waiting = graph[start]
    while waiting:
        found |= waiting
        waiting = {imported for place in waiting for imported in graph[place]} - found
    return found


def levels(graph: Arrows) -> int:
    """How many places the longest chain of arrows passes."""
    circle_of = {place: min(circle) for circle in circles(graph) for place in circle}
    joined: Arrows = defaultdict(set)
    for place, imported in graph.items():
        joined[circle_of.get(place, place)] |= {circle_of.get(other, other) for other in imported}

    @cache
    def depth(place: str) -> int:
        return 1 + max((depth(other) for other in joined[place] - {place}), default=0)

    return max(map(depth, joined))


def defined_twice() -> dict[str, list[str]]:
    """Public names of the product that two or more modules define, and those modules."""
    found = defaultdict(list)
    for path in product_files():
        module = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)
        for name in sorted(set(_defined(ast.parse(path.read_text(encoding="utf-8"))))):
            if not name.startswith("_") and name not in CONVENTIONAL:
                found[name].append(module)
    return {name: modules for name, modules in found.items() if len(modules) > 1}


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for each in targets for name in ast.walk(each) if isinstance(name, ast.Name))


def main() -> None:
    """Print the figures."""
    graph, files = arrows(), product_files()
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)
    print(f"places {len(graph)}, arrows {sum(map(len, graph.values()))}, levels {levels(graph)}")
    print(f"circles {len(circles(graph))}: {'; '.join(' '.join(sorted(each)) for each in circles(graph)) or 'none'}")
    print(f"Python files {len(files)}, lines {lines}")
    twice = defined_twice()
    print(f"public names defined twice {len(twice)}")
    for name, modules in sorted(twice.items()):
        print(f"  {name}: {', '.join(modules)}")


if __name__ == "__main__":
    main()
