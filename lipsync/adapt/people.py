"""Adaptation in bulk: a folder of people in, a folder of generators out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lipsync.adapt.person import AdaptationResult, adapt
from lipsync.errors import ConfigError, LipsyncError


@dataclass(frozen=True)
class People:
    """The result for each person.

    Attributes:
        adapted: name -> result.
        kept: names whose file existed already.
        failed: name -> one-line error.
    """

    adapted: dict[str, AdaptationResult] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        adapted = {name: one.as_dict() for name, one in self.adapted.items()}
        return {"adapted": adapted, "kept": self.kept, "failed": self.failed}

    def __str__(self) -> str:
        lines = [
            f"{name}: {one.gain.psnr_gain.text(1)} dB better, {one.seconds:.0f} s of footage"
            for name, one in self.adapted.items()
        ]
        lines += [f"{name}: was there" for name in self.kept]
        lines += [f"{name}: not adapted: {why}" for name, why in self.failed.items()]
        return "\n".join(lines)


def is_people(videos: list[str] | list[Path], output: str | Path) -> bool:
    """Whether the arguments are one folder of people and an output folder."""
    return len(videos) == 1 and Path(videos[0]).is_dir() and not Path(output).suffix


def adapt_people(
    people: str | Path,
    output: str | Path,
    *,
    progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
    **options: Any,
) -> People:
    """Adapt a generator to everyone in a folder, one after the other.

    A failure does not stop the others; existing files are kept, so that the same call resumes.

    Args:
        people: a folder with a folder of footage, or one video, named after each person.
        output: a folder; ``NAME.safetensors`` is written for each.
        progress, options: as for :func:`lipsync.adapt.adapt`.

    Raises:
        ConfigError: an empty folder, two people of the same name, or a ``work`` folder, which
            cannot be shared.
    """
    if options.get("work") is not None:
        raise ConfigError(
            "work: with several people each has its own work folder beside OUT's "
            "files; leave --work out"
        )
    found, output = People(), Path(output)
    for name, footage in _footage(Path(people)).items():
        target = output / f"{name}.safetensors"
        if target.exists():
            found.kept.append(name)
            continue

        def report(stage: str, done: int, total: int | None, name: str = name) -> None:
            progress(f"{name}: {stage}", done, total)

        try:
            output.mkdir(parents=True, exist_ok=True)
            found.adapted[name] = adapt([footage], target, progress=report, **options)
        except (LipsyncError, OSError) as error:
            found.failed[name] = str(error)
    return found


def _footage(people: Path) -> dict[str, Path]:
    """Name -> folder or video of each person."""
    found: dict[str, Path] = {}
    for path in sorted(people.iterdir()):
        name = path.name if path.is_dir() else path.stem
        if path.name.startswith("."):
            continue
        if name in found:
            raise ConfigError(
                f"{people}: {found[name].name} and {path.name} are both named {name}; put the "
                "footage of one person in a folder"
            )
        found[name] = path
    if not found:
        raise ConfigError(f"{people}: empty; give it a folder or a video for each person")
    return found
