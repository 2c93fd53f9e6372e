"""Links in Markdown pages lead to existing files and headings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
PAGES += sorted(ROOT.glob("experiments/*/README.md"))
LINK = re.compile(r"\]\(([^()\s]+)\)")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SETUP = [
    "python3.11 -m venv .venv && .venv/bin/pip install -c constraints.txt -e . && "
    ".venv/bin/python experiments/first_run/run.py",
    "python3.11 -m venv .venv && .venv/bin/pip install -c constraints.txt -e '.[dev]' && "
    ".venv/bin/pytest",
]


def links(page: Path) -> list[str]:
    found = LINK.findall(CODE.sub("", page.read_text("utf-8")))
    return [link for link in found if not re.match(r"https?://", link)]


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as forges and the site generate them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text("utf-8")), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"\s+", "-", heading) for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link}: there is no such file"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{link}: there is no such heading"


def test_the_readme_begins_with_the_two_set_up_commands():
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert [block.strip() for block in blocks[:2]] == SETUP


def test_pictures_are_small():
    for picture in (ROOT / "docs").glob("*.png"):
        assert picture.stat().st_size < 300_000


def test_every_experiment_is_in_the_index_under_its_question():
    index = (ROOT / "docs/measured.md").read_text("utf-8")
    for page in ROOT.glob("experiments/*/README.md"):
        question = page.read_text("utf-8").splitlines()[0].removeprefix("# ")
        assert f"| [{question}](../experiments/{page.parent.name}/README.md) |" in index
