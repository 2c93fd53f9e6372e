"""Griffe extension: the few marks of reStructuredText in docstrings, as Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:func|class|mod|data|attr|meth|math):`~?([^`]+)`")
FORMULA = re.compile(r"^( *)\.\. math::\n((?:\1 +.*\n|\n)+)", re.MULTILINE)


class PlainRoles(griffe.Extension):
    """``:func:`name``` becomes code, ``.. math::`` a block of code, and ``::`` a colon."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = plain(obj.docstring.value)


def plain(text: str) -> str:
    text = FORMULA.sub(lambda match: f"{match[1]}```\n{match[2].rstrip()}\n{match[1]}```\n", text)
    text = ROLE.sub(lambda match: f"`{match[1]}`", text)
    return re.sub(
        r"^(\s*)::$", "", re.sub(r"::$", ":", text, flags=re.MULTILINE), flags=re.MULTILINE
    )
