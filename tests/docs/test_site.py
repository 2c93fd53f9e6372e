"""The documentation site: the picture of the architecture, the models' cards, added pages."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlparse

import pytest

from lipsync.checkpoints import bundled_models, describe

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "docs" / "tools"


def tool(name: str) -> ModuleType:
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    spec = importlib.util.spec_from_file_location(f"docs_{name}", TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_of_the_house_is_current():
    drawing = tool("architecture")
    drawn = drawing.PICTURE.read_text("utf-8")
    assert drawn == drawing.draw(drawing.packages()), "run: python docs/tools/architecture.py"


def test_arrows_lead_down_and_short_ways_are_left_out():
    drawing = tool("architecture")
    imports = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert drawing.reduced(imports) == {"a": {"b"}, "b": {"c"}, "c": set()}
    assert drawing.levels(imports) == [["c"], ["b"], ["a"]]
    svg = drawing.draw(imports)
    assert svg.count("marker-end") == 2
    assert all(f">{package}</text>" in svg for package in imports)


def test_every_package_of_the_picture_is_described():
    drawing = tool("architecture")
    page = (ROOT / "docs/architecture.md").read_text("utf-8").partition("What may be changed")[2]
    for package in drawing.packages():
        assert f"`lipsync/{package}" in page or f"`{package}" in page, package
        assert package in drawing.CAPTIONS, package


def test_cards_are_those_of_the_files():
    text = "\n".join(tool("site").cards())
    for name in bundled_models():
        card = describe(name)["card"]
        assert f"## {name}\n\n{card['what']}." in text
        for measure, value in card["metrics"].items():
            assert f"| {measure} | {value} |" in text
        assert card["limits"].rstrip(".") in text


def test_the_readme_names_every_bundled_model():
    table = (ROOT / "README.md").read_text("utf-8").partition("## Bundled models")[2]
    assert all(f"| `{name}` |" in table for name in bundled_models())


def test_marks_of_docstrings_become_markdown():
    pytest.importorskip("griffe", reason="needs the extra docs")
    plain = tool("docstrings").plain
    assert plain("See :func:`~lipsync.audio.mel` and :math:`v_i`::") == (
        "See `lipsync.audio.mel` and `v_i`:"
    )
    assert plain("As\n\n.. math::\n    a = b\n\nwith") == "As\n\n```\n    a = b\n```\nwith"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in ("index", "model-cards/index", "experiments/leakage/index", "api/index"):
        assert (tmp_path / f"{page}.html").is_file()
    text = "".join(path.read_text("utf-8") for path in tmp_path.rglob("*.html"))
    fetched = ("fonts.googleapis", "cdn.", "unpkg.com")
    assert not any(place in text for place in fetched)
    pages = {path: Links(path) for path in tmp_path.rglob("*.html")}
    found = [(page, link) for page in pages.values() for link in page.links]
    assert not [(page.path, link) for page, link in found if dead_end(page, link, pages)]
    reached = {page.target(link) for page, link in found if page.target(link) != page.path}
    assert set(pages) - reached <= {tmp_path / "404.html"}


class Links(HTMLParser):
    """A page's internal links, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.links, self.places = path, [], set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.places.add(given.get("id"))
        link = given.get("href") or given.get("src")
        if link and not urlparse(link).netloc:
            self.links.append(link)

    def target(self, link: str) -> Path:
        path = unquote(urlparse(link).path)
        to = (self.path.parent / path).resolve() if path else self.path
        return to / "index.html" if to.is_dir() else to


def dead_end(page: Links, link: str, pages: dict[Path, Links]) -> bool:
    to, place = page.target(link), unquote(urlparse(link).fragment)
    if page.path.name == "404.html" or place.startswith("__"):  # its links are relative to the root
        return False
    return not to.exists() or bool(place and to in pages and place not in pages[to].places)
