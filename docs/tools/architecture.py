"""Draw docs/architecture.svg, the packages and what imports what, from the imports.

    python docs/tools/architecture.py

An arrow leads from a package to one that it imports. Where it imports a package through another as
well, the direct arrow is left out; what everything may import is the bar at the bottom.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import grimp

PICTURE = Path(__file__).parents[1] / "architecture.svg"
SHARED = (
    "audio windows build command commands devices errors failures languages misspelt onnx_files "
    "options pages parallel plain plugins processes run_log seeds speeds tables"
)
TOGETHER = {
    "export": "checkpoints",
    "doctor": "cli",
    "__main__": "cli",
    "train": "training",
    "completion": "cli",
}
CAPTIONS = {
    "adapt": "a model for one person",
    "checkpoints": "with export.py",
    "cli": "the command lipsync",
    "data": "prepared clips, loaders",
    "data_prep": "footage in, clips out",
    "demo": "the page in the browser",
    "dubbing": "video + speech to video",
    "evaluation": "scores, pages, bench",
    "faces": "detect, track, crop",
    "features": "audio inputs of networks",
    "generators": "faces that speak",
    "losses": "losses.py",
    "media": "decode and encode",
    "metrics": "pure functions",
    "models": "torch alone",
    "sample": "the generated corpus",
    "training": "train.py is its entry",
    "translation": "speech in other languages",
    "voice": "voice conversion",
}
WIDTH, BOX, HEIGHT, STEP = 1060, 162, 46, 104
COLOURS = ["#e8eefc", "#e3f1f5", "#e6f4ea", "#fdf3df", "#fbe9e7"]  # from the ground up

Imports = dict[str, set[str]]


def packages() -> Imports:
    """What each package imports, the shared modules left out."""
    graph = grimp.build_graph("lipsync", "data_prep", cache_dir=None)
    children = {
        name: _package(name) for name in ["data_prep", *sorted(graph.find_children("lipsync"))]
    }
    found: Imports = {
        package: set() for package in children.values() if package not in SHARED.split()
    }
    for importer, package in children.items():
        for imported, other in children.items():
            if package in found and other in found and package != other:
                ask = {"importer": importer, "imported": imported, "as_packages": True}
                if graph.direct_import_exists(**ask):
                    found[package].add(other)
    return found


def reduced(imports: Imports) -> Imports:
    """Without what is imported through another package, too."""
    return {
        package: {o for o in others if not any(o in _reach(imports, n) for n in others - {o})}
        for package, others in imports.items()
    }


def levels(imports: Imports) -> list[list[str]]:
    """The packages from the ground up; each stands above all that it imports."""

    def height(package: str) -> int:
        return 1 + max((height(other) for other in imports[package]), default=-1)

    rows: list[list[str]] = [[] for _ in range(1 + max(map(height, imports)))]
    for package in sorted(imports):
        rows[height(package)].append(package)
    return rows


def draw(imports: Imports) -> str:
    """The picture as SVG."""
    edges, rows = reduced(imports), levels(imports)
    places: dict[str, tuple[float, float]] = {}
    tall = STEP * len(rows) + 90
    for level, row in enumerate(rows):
        row.sort(key=lambda package: _centre([places[other][0] for other in edges[package]]))
        for i, package in enumerate(row):
            places[package] = WIDTH * (i + 0.5) / len(row), tall - 90 - STEP * (level + 0.5)
    lines = [
        _arrow(places[package], places[other])
        for package in edges
        for other in sorted(edges[package])
    ]
    boxes = [
        _box(package, *places[package], COLOURS[level * len(COLOURS) // len(rows)])
        for level, row in enumerate(rows)
        for package in row
    ]
    return "\n".join(
        [_HEAD.format(width=WIDTH, height=tall), *lines, *boxes, _bar(tall), "</svg>\n"]
    )


_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" \
font-family="system-ui, sans-serif" text-anchor="middle">
<title>What imports what in lipsync</title>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" \
orient="auto"><path d="M0 0L8 4L0 8z" fill="#5b6b8c"/></marker></defs>
<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>"""


def _package(module: str) -> str:
    name = module.rpartition(".")[2]
    return TOGETHER.get(name, name)


def _reach(imports: Imports, package: str) -> set[str]:
    return set().union(*({other} | _reach(imports, other) for other in imports[package]))


def _centre(places: list[float]) -> float:
    return sum(places) / len(places) if places else WIDTH / 2


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (u, v) = start, end
    y, v = y + HEIGHT / 2, v - HEIGHT / 2 - 1
    bend = (v - y) / 2
    path = f"M{x:.0f} {y:.0f}C{x:.0f} {y + bend:.0f} {u:.0f} {v - bend:.0f} {u:.0f} {v:.0f}"
    return (
        f'<path d="{path}" fill="none" stroke="#5b6b8c" stroke-width="1.4" marker-end="url(#tip)"/>'
    )


def _box(package: str, x: float, y: float, colour: str) -> str:
    left, top = x - BOX / 2, y - HEIGHT / 2
    return (
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{BOX}" height="{HEIGHT}" rx="6" '
        f'fill="{colour}" stroke="#5b6b8c"/>\n'
        f'<text x="{x:.0f}" y="{y - 3:.0f}" font-size="15" font-weight="600">'
        f"{escape(package)}</text>\n"
        f'<text x="{x:.0f}" y="{y + 14:.0f}" font-size="11" fill="#44506a">'
        f"{escape(CAPTIONS.get(package, ''))}</text>"
    )


def _bar(tall: float) -> str:
    names = ", ".join(SHARED.split())
    return (
        f'<rect x="14" y="{tall - 76:.0f}" width="{WIDTH - 28}" height="58" rx="6" fill="#f1f1f1" '
        f'stroke="#8a8a8a"/>\n<text x="{WIDTH / 2:.0f}" y="{tall - 52:.0f}" font-size="14" '
        f'font-weight="600">everything may import</text>\n<text x="{WIDTH / 2:.0f}" '
        f'y="{tall - 32:.0f}" font-size="13" fill="#44506a">{escape(names)}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(packages()), encoding="utf-8")
