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

from data_prep.manifest import REASONS, write_atomically
from data_prep.options import Options
from data_prep.plan import (
    FRAMING,
    MIN_SECONDS,
    Plan,
    Prices,
    Speed,
    as_json,
    estimate_plan,
    experiment,
    prepare_command,
)
from data_prep.report import histogram
from data_prep.run import check_judge, worker_tools
from data_prep.scan import scan
from data_prep.stretches import SampledFile, draw_sample, examine_file
from lipsync.command import CONF, require_options
from lipsync.data.places import is_url
from lipsync.errors import ConfigError, LipsyncError, exit_on_error
from lipsync.options import check_options, option
from lipsync.pages import jpeg_uri, render
from lipsync.windows import FPS

_SHOWN = 48  # files in the report's table


@dataclass(frozen=True)
class PlanOptions:
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
        require_options(config, "python -m data_prep plan source=DIR", "source")
        values = OmegaConf.to_container(config)
        for name in ("source", "output", "name", "prepared"):
            values[name] = None if values[name] is None else str(values[name])
        options = PlanOptions(**{field.name: values[field.name] for field in fields(PlanOptions)})
        print(make_plan(options, Prices(**values["prices"]), Speed(**values["training"])))


def make_plan(options: PlanOptions, prices: Prices, speed: Speed) -> str:
    """Examine a sample and write the plan's files.

    Returns:
        The summary to print.

    Raises:
        ConfigError: no footage, or the sample yields no clip.
        LipsyncError: the output cannot be written.
    """
    if is_url(options.source):
        raise ConfigError(
            f"source={options.source}: plan needs a local folder; copy some of the videos to one"
        )
    source, output = Path(options.source).expanduser(), Path(options.output).expanduser()
    sources = [one for one in scan(source) if one.key]
    picked = draw_sample(sources, options.files)
    if options.dry_run:
        lines = [f"{options.seconds:g} s of {len(picked)} of {len(sources)} files:"]
        return "\n".join([*lines, *(f"  {file.name}" for file in picked)])
    name = options.name or re.sub(r"\W+", "_", source.resolve().name) or "footage"
    if not re.fullmatch(r"[\w-]+", name):
        raise ConfigError(f"name={name}: may contain only letters, digits, _ and -")
    preparation = Options(
        framing=FRAMING,
        min_seconds=MIN_SECONDS,
        min_face=40,
        judge=options.judge,
        cuts="split",
    )
    tools = worker_tools(output, preparation, check_judge(preparation))
    sample = [
        examine_file(file, options.seconds, tools) for file in tqdm(picked, "look", unit="file")
    ]
    plan = estimate_plan(sample, len(sources), tools.limits, preparation, prices, speed)
    prepared = options.prepared or f"data/{name}"
    command = prepare_command(plan, source, prepared, options.judge, options.workers)
    train = f"python train.py --config-dir {output} experiment={name}"
    examined = sum(file.examined_seconds for file in sample)
    page = render(
        "plan.html.j2",
        plan=plan,
        source=str(source),
        sample=[_row(file, plan) for file in sample[:_SHOWN]],
        more=max(0, len(sample) - _SHOWN),
        looked=examined,
        rates=Counter(f"{file.fps:.4g}" for file in sample if file.fps).most_common(),
        sizes=Counter("{}x{}".format(*file.size) for file in sample if file.fps).most_common(),
        sound=sum(file.sound * file.examined_seconds for file in sample) / examined,
        judge=options.judge,
        histograms=_histograms(sample),
        about=REASONS,
        prepare=command,
        train=train,
        workers=options.workers,
        prices=prices,
        speed=speed,
    )
    try:
        (output / "experiment").mkdir(parents=True, exist_ok=True)
        write_atomically(output / "plan.html", page)
        write_atomically(output / "plan.json", json.dumps(as_json(plan, sample), indent=1) + "\n")
        recipe = experiment(plan, name, prepared, str(source))
        write_atomically(output / "experiment" / f"{name}.yaml", recipe)
    except OSError as error:
        raise LipsyncError(f"output={output}: cannot be written ({error.strerror})") from error
    return _summary(plan, output, command, train)


def _summary(plan: Plan, output: Path, command: str, train: str) -> str:
    kept = f"{plan.hours:.2f} hours in {plan.files} files give {plan.kept_hours:.2f} hours"
    hours = ", ".join(f"{hours:.2f} on {n}" for n, hours in plan.train_hours.items())
    return "\n".join([
        f"{kept}, {plan.clips} clips of {plan.image_size} pixels, {plan.gigabytes:.1f} GB",
        f"preparation: {plan.core_hours:.2f} core hours; training: {hours} GPUs",
        f"  {command}",
        f"  {train}",
        f"report: {output / 'plan.html'}",
    ])  # fmt: skip


def _row(file: SampledFile, plan: Plan) -> dict[str, object]:
    """One file's row in the report's table."""
    kept = [piece for piece in file.pieces if not piece.reason and piece.face_size >= plan.min_face]
    why = Counter(piece.reason or "small" for piece in file.pieces if piece not in kept)
    offsets = [score for score in file.scores if score is not None]
    best = max(offsets, key=lambda score: score["confidence"], default=None)
    return {
        "name": file.name,
        "picture": None if file.picture is None else jpeg_uri(file.picture),
        "size": "{}x{}".format(*file.size) if file.fps else None,
        "fps": f"{file.fps:.4g}" if file.fps else None,
        "seconds": file.seconds,
        "kept": sum(len(piece) for piece in kept) / FPS,
        "face": max((piece.face_size for piece in file.pieces), default=0),
        "offset": None if best is None else best["fine_offset"],
        "confidence": None if best is None else best["confidence"],
        "why": file.problem or ", ".join(f"{n} {reason}" for reason, n in why.most_common()),
    }


def _histograms(sample: list[SampledFile]) -> list[dict]:
    faces = [piece for file in sample for piece in file.pieces if piece.boxes]
    scores = [score for file in sample for score in file.scores if score is not None]
    shown = {
        "face height, pixels": [piece.face_size for piece in faces],
        "crop side in the source, pixels": [c for file in sample for c in file.crops if c],
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
