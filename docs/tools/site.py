"""MkDocs hook: pages of the site that lie outside of docs/, and the models' cards.

Links in Markdown are those of the repository, so that they work where it is hosted, too. What they
lead to outside of docs/ becomes part of the site: Markdown (README.md, the pages of experiments/)
as pages, anything else (pictures, options, scripts) as files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from lipsync.checkpoints import bundled_models, describe

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
LINK = re.compile(r"(?<=\]\()([^()#\s:]+)(#[^()\s]*)?(?=\))")  # no address: it has a colon
CARDS = "<!-- cards -->"
COMMANDS = re.compile(r'<div class="language-sh .*?</div>', re.DOTALL)
OPTION = re.compile(r"(?<=[\s>])--[a-z][a-z-]*")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the README, and all that pages link to, and so on from page to page."""
    found = [REPOSITORY / "README.md"]
    found += [Path(file.abs_src_path) for file in files.documentation_pages()]
    for path in found:  # grows
        if not path.is_relative_to(DOCS):
            file = File.generated(
                config, place(path), abs_src_path=str(path), inclusion=InclusionLevel.NOT_IN_NAV
            )
            files.append(file)
        if path.suffix == ".md":
            found += [to for to in linked(path) if to not in found and not to.is_relative_to(DOCS)]
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links of the repository as those of the site, and the cards where they are asked for."""
    here = Path(page.file.abs_src_path)
    folder = Path(place(here)).parent

    def rewritten(match: re.Match) -> str:
        to = target(here, match[1])
        return match[0] if to is None else relpath(place(to), folder) + (match[2] or "")

    if place(here) == "index.md":
        page.meta["hide"] = ["navigation"]  # the tabs are enough
    text = LINK.sub(rewritten, markdown)
    if place(here).startswith("experiments/"):  # which the navigation does not list
        text += f"\n\n[All measurements]({relpath('measured.md', folder)})\n"
    return text.replace(CARDS, "\n".join(cards())) if CARDS in text else text


def on_page_content(html: str, **_: object) -> str:
    """Options of commands as spans, which ``site.css`` keeps from being broken at a hyphen."""
    return COMMANDS.sub(
        lambda block: OPTION.sub(r'<span class="option">\g<0></span>', block[0]), html
    )


def place(path: Path) -> str:
    """Where a file of the repository lies in the site."""
    if path == REPOSITORY / "README.md":
        return "index.md"
    return path.relative_to(DOCS if path.is_relative_to(DOCS) else REPOSITORY).as_posix()


def linked(path: Path) -> list[Path]:
    """The files of the repository that a page links to, each once."""
    texts = LINK.findall(path.read_text(encoding="utf-8"))
    return list(dict.fromkeys(to for name, _ in texts if (to := target(path, name)) is not None))


def target(page: Path, link: str) -> Path | None:
    """The file that a link leads to; of a folder, its README.md. None outside of the repository."""
    to = (page.parent / link).resolve()
    to = to / "README.md" if to.is_dir() else to
    return to if to.is_file() and to.is_relative_to(REPOSITORY) else None


def cards() -> Iterator[str]:
    """The cards that the bundled models carry, as Markdown."""
    for name in bundled_models():
        facts = describe(name)
        card = facts["card"]
        yield f"## {name}\n\n{card['what']}.\n"
        yield "| measure | value |\n| --- | ---: |"
        yield from (f"| {measure} | {value} |" for measure, value in card["metrics"].items())
        yield f"\n**Data.** {card['data']}.\n\n**Training.** {card['training']}."
        yield f"\n**Limits.** {card['limits'].rstrip('.')}.\n"
        options = ", ".join(f"{key} {value}" for key, value in _options(facts["config"]))
        yield f"**Network.** `{facts['model']}`, {options}. **Licence.** {card['licence']}.\n"


def _options(config: dict) -> Iterator[tuple[str, object]]:
    """Options as words and values; a feature is its name, and vocabularies are left out."""
    for key, value in config.items():
        if isinstance(value, dict) and "name" in value:
            yield key.replace("_", " "), value["name"]
        elif key not in ("slots", "spelling"):
            yield key.replace("_", " "), value
