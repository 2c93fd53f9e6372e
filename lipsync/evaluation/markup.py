"""Pieces of a page: tables, numbers with intervals, films inside the page; and its style."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2

from lipsync.errors import MediaError
from lipsync.evaluation.footage import frames_of
from lipsync.metrics.statistics import Interval

STYLE = """
:root { --ink: #1c1e21; --soft: #63676c; --line: #e3e5e8; --ground: #f6f7f8; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 70rem;
       margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .4rem; border-top: 1px solid var(--line);
     padding-top: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line);
         vertical-align: top; white-space: nowrap; }
th { font-weight: 600; border-bottom: 1px solid #9a9da1; vertical-align: bottom; }
th:first-child, td:first-child, th.text, td.text { text-align: left; }
td.text { white-space: normal; min-width: 15rem; color: var(--soft); font-size: .85rem; }
td:first-child { font-weight: 600; }
td.named small { font-weight: 400; white-space: normal; max-width: 17rem; }
tbody tr:hover { background: var(--ground); }
small, .note { color: var(--soft); } .note { max-width: 46rem; }
td small { display: block; font-size: .78rem; }
.warning { background: #c44536; color: white; font-weight: 600; border-radius: 8px;
           padding: .7rem 1rem; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; }
.card { background: var(--ground); border-radius: 8px; padding: .7rem 1rem; flex: 1 1 13rem; }
.card b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; }
.card span { display: block; color: var(--soft); font-size: .82rem; }
.beside { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: center; }
.beside p { flex: 1 1 18rem; max-width: 34rem; }
.scroll { overflow-x: auto; } svg { max-width: 100%; height: auto; }
.films { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .85rem; color: var(--soft); }
video { width: 100%; display: block; border-radius: 4px; }
details summary { cursor: pointer; }
pre { white-space: pre; overflow-x: auto; font-size: .8rem; background: var(--ground);
      padding: .7rem 1rem; border-radius: 8px; }
"""


class Html(str):
    """A cell that is HTML already, from its ``<td>`` on."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are escaped, but for those that :class:`Html` says are HTML already."""
    texts = {i for row in rows for i, cell in enumerate(row) if _is_text(cell)}
    top = "".join(
        f"<th{' class=text' if i in texts else ''}>{escape(cell)}" for i, cell in enumerate(head)
    )

    def cell(text: str) -> str:
        return text if isinstance(text, Html) else f"<td>{escape(text)}"

    body = "\n".join("<tr>" + "".join(map(cell, row)) for row in rows)
    return f"<div class=scroll><table><thead><tr>{top}</thead>\n<tbody>{body}</tbody></table></div>"


def _is_text(cell: str) -> bool:
    return isinstance(cell, Html) and cell.startswith("<td class=text>")


def interval(found: Interval | None, digits: int = 3, n: int | None = None) -> str:
    """A mean with its interval in small type below; how many it is of, where that is not ``n``."""
    if found is None:
        return "-"
    value, _, rest = found.text(digits).partition(" ")
    told = f"n {found.n}" if n is not None and found.n != n else ""
    return Html(f"<td>{value}<small>{' '.join(part for part in (rest, told) if part)}</small>")


def text(words: str) -> str:
    """A cell of words, which may be broken into lines."""
    return Html(f"<td class=text>{escape(words)}")


def named(name: str, about: str) -> str:
    """A cell of a name and, small below it, what it means."""
    return Html(f"<td class=named>{escape(name)}<small>{escape(about)}</small>")


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def card(title: str, value: str, below: Sequence[str]) -> str:
    """A number that is seen first."""
    lines = "".join(f"<span>{escape(line)}</span>" for line in below)
    return f"<div class=card><span>{escape(title)}</span><b>{escape(value)}</b>{lines}</div>"


def film(path: Path, caption: str) -> str:
    """A video inside the page, its first picture seen before it plays."""
    data = base64.b64encode(path.read_bytes()).decode()
    return (
        f'<figure><video controls preload="metadata"{_poster(path)} '
        f'src="data:video/mp4;base64,{data}"></video>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _poster(path: Path) -> str:
    try:
        first = next(frames_of(path))
    except MediaError:
        return ""
    _, jpeg = cv2.imencode(".jpg", first[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return f' poster="data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"'
