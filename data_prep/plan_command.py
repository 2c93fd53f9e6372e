"""``python -m data_prep plan source=DIR``; its options are in ``conf/plan.yaml``."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from data_prep.manifest import REASONS, write_whole
from data_prep.options import Options
from data_prep.plan import (
    FRAMING,
    MIN_SECONDS,
    Plan,
    Prices,
    Speed,
    as_json,
    experiment,
    planned,
    prepare_command,
)
from data_prep.report import histogram
from data_prep.run import checked_judge, worker_tools
from data_prep.scan import scan
from data_prep.stretches import Sampled, drawn, look_into
from lipsync.command import CONF, check_given
from lipsync.data.places import is_url
from lipsync.errors import ConfigError, LipsyncError, exit_on_error
from lipsync.options import check_options, option
from lipsync.pages import jpeg_uri, render
from lipsync.windows import FPS

_SHOWN = 48  # files in the report's table


@dataclass(frozen=True)
class Asked:
    """The command's scalar options, see ``conf/plan.yaml``."""

    source: str
    output: str
    name: str | None
    prepared: str | None
    files: int = option(12, least=1)
    seconds: float = option(12, least=2)
    judge: str | None = None
    workers: int = option(8, least=1)
    dry_run: bool = False

    __post_init__ = check_options


@hydra.main(config_path=CONF, config_name="plan", version_base="1.3")
def main(config: DictConfig) -> None:
    """Examine a sample of a folder and write the plan."""
    with exit_on_error():
        check_given(config, "python -m data_prep plan source=DIR", "source")
        values = OmegaConf.to_container(config)
        for name in ("source", "output", "name", "prepared"):
            values[name] = None if values[name] is None else str(values[name])
        asked = Asked(**{field.name: values[field.name] for field in fields(Asked)})
        print(make_plan(asked, Prices(**values["prices"]), Speed(**values["training"])))


def make_plan(asked: Asked, prices: Prices, speed: Speed) -> str:
    """Examine a sample and write the plan's files.

    Returns:
        The summary to print.

    Raises:
        ConfigError: no footage, or the sample yields no clip.
        LipsyncError: the output cannot be written.
    """
    if is_url(asked.source):
        raise ConfigError(
            f"source={asked.source}: plan needs a local folder; copy some of the videos to one"
        )
    source, output = Path(asked.source).expanduser(), Path(asked.output).expanduser()
    sources = [one for one in scan(source) if one.key]
    picked = drawn(sources, asked.files)
    if asked.dry_run:
        lines = [f"{asked.seconds:g} s of {len(picked)} of {len(sources)} files:"]
        return "\n".join([*lines, *(f"  {one.name}" for one in picked)])
    name = asked.name or re.sub(r"\W+", "_", source.resolve().name) or "footage"
    if not re.fullmatch(r"[\w-]+", name):
        raise ConfigError(f"name={name}: may contain only letters, digits, _ and -")
    options = Options(
        framing=FRAMING,
        min_seconds=MIN_SECONDS,
        min_face=40,
        judge=asked.judge,
        cuts="split",
    )
    tools = worker_tools(output, options, checked_judge(options))
    found = [look_into(one, asked.seconds, tools) for one in tqdm(picked, "look", unit="file")]
    plan = planned(found, len(sources), tools.limits, options, prices, speed)
    prepared = asked.prepared or f"data/{name}"
    command = prepare_command(plan, source, prepared, asked.judge, asked.workers)
    train = f"python train.py --config-dir {output} experiment={name}"
    page = render(
        "plan.html.j2",
        plan=plan,
        source=str(source),
        sample=[_row(one, plan) for one in found[:_SHOWN]],
        more=max(0, len(found) - _SHOWN),
        looked=sum(one.looked for one in found),
        rates=Counter(f"{one.fps:.4g}" for one in found if one.fps).most_common(),
        sizes=Counter("{}x{}".format(*one.size) for one in found if one.fps).most_common(),
        sound=sum(one.sound * one.looked for one in found) / sum(one.looked for one in found),
        judge=asked.judge,
        histograms=_histograms(found),
        about=REASONS,
        prepare=command,
        train=train,
        workers=asked.workers,
        prices=prices,
        speed=speed,
    )
    try:
        (output / "experiment").mkdir(parents=True, exist_ok=True)
        write_whole(output / "plan.html", page)
        write_whole(output / "plan.json", json.dumps(as_json(plan, found), indent=1) + "\n")
        recipe = experiment(plan, name, prepared, str(source))
        write_whole(output / "experiment" / f"{name}.yaml", recipe)
    except OSError as error:
        raise LipsyncError(f"output={output}: cannot be written ({error.strerror})") from error
    return _told(plan, output, command, train)


def _told(plan: Plan, output: Path, command: str, train: str) -> str:
    kept = f"{plan.hours:.2f} hours in {plan.files} files give {plan.kept_hours:.2f} hours"
    hours = ", ".join(f"{hours:.2f} on {n}" for n, hours in plan.train_hours.items())
    return "\n".join([
        f"{kept}, {plan.clips} clips of {plan.image_size} pixels, {plan.gigabytes:.1f} GB",
        f"preparation: {plan.core_hours:.2f} core hours; training: {hours} GPUs",
        f"  {command}",
        f"  {train}",
        f"report: {output / 'plan.html'}",
    ])  # fmt: skip


def _row(one: Sampled, plan: Plan) -> dict[str, object]:
    """One file's row in the report's table."""
    kept = [piece for piece in one.pieces if not piece.reason and piece.face_size >= plan.min_face]
    why = Counter(piece.reason or "small" for piece in one.pieces if piece not in kept)
    offsets = [score for score in one.scores if score is not None]
    best = max(offsets, key=lambda score: score["confidence"], default=None)
    return {
        "name": one.name,
        "picture": None if one.picture is None else jpeg_uri(one.picture),
        "size": "{}x{}".format(*one.size) if one.fps else None,
        "fps": f"{one.fps:.4g}" if one.fps else None,
        "seconds": one.seconds,
        "kept": sum(len(piece) for piece in kept) / FPS,
        "face": max((piece.face_size for piece in one.pieces), default=0),
        "offset": None if best is None else best["fine_offset"],
        "confidence": None if best is None else best["confidence"],
        "why": one.problem or ", ".join(f"{n} {reason}" for reason, n in why.most_common()),
    }


def _histograms(found: list[Sampled]) -> list[dict]:
    faces = [piece for one in found for piece in one.pieces if piece.boxes]
    scores = [score for one in found for score in one.scores if score is not None]
    shown = {
        "face height, pixels": [piece.face_size for piece in faces],
        "crop side in the source, pixels": [c for one in found for c in one.crops if c],
        "measured offset, frames": [score["offset"] for score in scores],
        "confidence": [score["confidence"] for score in scores],
        "sharpness": [piece.sharpness for piece in faces],
        "yaw (0 frontal, 1 profile)": [piece.turn for piece in faces],
    }
    return [
        histogram(name, values, whole=name.startswith("offset"))
        for name, values in shown.items()
        if values
    ]
