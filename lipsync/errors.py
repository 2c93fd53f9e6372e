"""Errors that a user can act on: one line that names the file, the numbers and the remedy.

A message names an option as Python does, in backquotes: ``lower `min_face```. Commands write such
names as their own flags, see :func:`lipsync.commands.with_flags`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class LipsyncError(Exception):
    """Base of all errors caused by the input; commands print it and exit with code 2."""


class ConfigError(LipsyncError):
    """Options that are invalid, alone or in combination."""


class _SubjectError(LipsyncError):
    """An error with the message ``<subject>: <problem>; <remedy>``."""

    def __init__(self, subject: str | Path, problem: str, remedy: str = "") -> None:
        self.subject, self.problem, self.remedy = str(subject), problem, remedy
        text = f"{subject}: {problem}" + (f"; {remedy}" if remedy else "")
        super().__init__(" ".join(text.split()))  # one line, even if the file name has line breaks

    def __reduce__(self) -> tuple:  # for pickling between processes
        return type(self), (self.subject, self.problem, self.remedy)


class MediaError(_SubjectError):
    """A video, image or audio file that cannot be read or written."""


class ClipError(_SubjectError):
    """A prepared clip that is damaged or too short for the request."""


class CheckpointError(_SubjectError):
    """A weights file that is damaged, unsafe, or for another model."""


class StageError(_SubjectError):
    """A failed stage of a translation: the stage, what happened, what to try."""


class TrainingError(_SubjectError):
    """A training run that cannot continue: the batch, what happened, and what to try."""


def check_whole(option: str, value: Any, least: int, most: int | None = None) -> None:
    """Raise ConfigError unless an option's value is a whole number within inclusive bounds."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most}"
        raise ConfigError(f"{option}={value}: must be a whole number, {bounds}")


def install_extra(extra: str) -> str:
    """The command that installs an extra of this package, as in ``docs/install.md``."""
    constraints = "" if extra == "sweep-ray" else "-c constraints.txt "  # it needs older packages
    return f"pip install {constraints}-e '.[{extra}]'"


def differences(one: Any, other: Any, names: tuple[str, str] = ("there", "here")) -> str:
    """What differs between two configs, for error messages: ``width 0.5 there, 0.25 here``.

    Nested keys are joined by dots; a key that one of the two lacks has the value ``none``.
    """
    there, here = names
    pairs = _different("", one, other)
    return "; ".join(f"{key} {a} {there}, {b} {here}".lstrip() for key, a, b in pairs)


def _different(key: str, one: Any, other: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            below = f"{key}.{name}" if key else str(name)
            yield from _different(below, one.get(name), other.get(name))
    elif one != other:
        one_text, other_text = (
            "none" if value is None else str(value)[:200] for value in (one, other)
        )
        yield key, one_text, other_text


@contextmanager
def exit_on_error(
    *others: type[LipsyncError], rewrite: Callable[[str], str] = str
) -> Iterator[None]:
    """Turn a :class:`LipsyncError` into one line on stderr and exit code 2, Ctrl-C into 130.

    Args:
        others: error classes that the caller handles; they are passed on.
        rewrite: applied to the message.
    """
    try:
        yield
        sys.stdout.flush()
    except others:
        raise
    except LipsyncError as error:
        print(f"error: {rewrite(str(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output, such as head, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
