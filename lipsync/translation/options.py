"""The options of a translation, and the YAML file that may hold them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from lipsync.errors import ConfigError
from lipsync.translation.engines import AUTO
from lipsync.translation.engines.base import Recogniser, Speaker, Translator, Voice
from lipsync.translation.languages import language

STAGES = ("recognise", "translate", "speak", "voice", "fit", "lips")


@dataclass(frozen=True)
class Options:
    """How a video is translated.

    Attributes:
        to: the language it is translated to: an ISO 639-1 code, or a code of NLLB-200.
        source: the language it is in; by default it is detected.
        recogniser, translator, speaker: engines, by name (``NAME`` or ``NAME:MODEL``, or ``auto``),
            or objects with the methods in :mod:`lipsync.translation.engines.base`.
        voice: "none", "match" (pitch and envelope shifted to the original speaker's), the path of a
            trained voice, ``PATH:SPEAKER`` where it knows several, or an object.
        slowest, fastest: bounds of the speed at which a line is spoken, 1 being as its engine does.
        background: gain of the original sound without its speech, 0 to 1.
        device: where networks run.
        until: the last stage to run: one of recognise, translate, speak, voice, fit, lips.
        dub: options of :func:`lipsync.dubbing.dub`, such as ``model``.
    """

    to: str
    source: str | None = None
    recogniser: str | Recogniser = AUTO
    translator: str | Translator = AUTO
    speaker: str | Speaker = AUTO
    voice: str | Voice = "none"
    slowest: float = 0.9
    fastest: float = 1.4
    background: float = 0.0
    device: str = "cpu"
    until: str = STAGES[-1]
    dub: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", language(str(self.to)).code)
        if self.source is not None:
            object.__setattr__(self, "source", language(str(self.source)).code)
        for name in ("slowest", "fastest", "background"):
            if isinstance(getattr(self, name), bool) or not isinstance(
                getattr(self, name), int | float
            ):
                raise ConfigError(f"{name} must be a number, got {getattr(self, name)!r}")
        if not 0.5 <= self.slowest <= 1 <= self.fastest <= 2:
            raise ConfigError(
                "slowest must be 0.5 to 1 and fastest 1 to 2, got "
                f"{self.slowest} and {self.fastest}"
            )
        if not 0 <= self.background <= 1:
            raise ConfigError(f"background must be 0 to 1, got {self.background}")
        for name in ("recogniser", "translator", "speaker", "voice"):
            value = getattr(self, name)
            if not isinstance(value, str) and not hasattr(value, "name"):
                default = getattr(Options, name)
                raise ConfigError(f"{name} must be a name, such as {default}, got {value!r}")
        if self.until not in STAGES:
            raise ConfigError(f"until must be one of {', '.join(STAGES)}, got '{self.until}'")
        if not isinstance(self.dub, dict):
            raise ConfigError(f"dub must hold options of the dub, got {self.dub!r}")


def read_options(path: str | Path | None, given: dict[str, Any]) -> Options:
    """Options from a YAML file, if one is named, and those given, which come first.

    The file's keys are the names of :class:`Options`; ``from`` stands for ``source``.

    Raises:
        ConfigError: no such file, no YAML, an unknown option, or one that cannot work.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read ({error})") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: no YAML: {' '.join(str(error).split())}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: must hold lines of 'option: value'")
        if "from" in values:
            values["source"] = values.pop("from")
    for name in ("to", "source"):
        if values.get(name) is False:  # YAML's reading of Norwegian
            values[name] = "no"
    known = {field.name for field in fields(Options)}
    unknown = sorted(str(name) for name in values if name not in known)
    if unknown:
        raise ConfigError(
            f"{path}: no option is called '{unknown[0]}'; there are {', '.join(sorted(known))}"
        )
    if isinstance(values.get("dub"), dict):
        from lipsync.dubbing.settings import checked_options  # late: it brings PyTorch

        wanted = checked_options(f"{path}: dub", values["dub"])
        given = given | {"dub": wanted | given.get("dub", {})}
    values = values | given
    if "to" not in values:
        raise ConfigError("no language to translate to; name one with --to, e.g. --to es")
    return Options(**values)
