"""``python -m data_prep source=DIR output=DIR``: options in ``conf/prepare.yaml``.

Without a source, ``python -m data_prep features=[NAME] output=DIR`` adds features of the sound to a
set that is there. ``python -m data_prep plan source=DIR`` says what a set takes before it is made
(:mod:`data_prep.plan`), ``python -m data_prep convert`` writes one in the other form
(:mod:`data_prep.convert`).
"""

from __future__ import annotations

import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig, OmegaConf

from lipsync.command import CONF, run_command
from lipsync.errors import ConfigError, exit_on_error
from lipsync.plugins import import_plugins

if TYPE_CHECKING:
    from data_prep.run import Summary
    from data_prep.splits import Splits


@hydra.main(config_path=CONF, config_name="prepare", version_base="1.3")
def main(config: DictConfig) -> None:
    """Prepare a folder of videos as the configuration says."""
    from data_prep.features import add_features, named_features  # take seconds

    with exit_on_error():
        import_plugins(config.plugins, "plugins")
        features = named_features(OmegaConf.to_container(config)["features"])
        needed = ("output",) if features else ("source", "output")
        if missing := [name for name in needed if OmegaConf.is_missing(config, name)]:
            raise ConfigError(
                f"{' and '.join(missing)} not given: source=DIR output=DIR, or "
                "features=[NAME] output=DIR"
            )
        if not OmegaConf.is_missing(config, "source"):
            _prepare(config)
        if features:
            added = add_features(
                Path(str(config.output)).expanduser(),
                features,
                workers=config.workers,
                engine=config.engine,
                ray_address=config.ray_address,
            )
            print(added)
            added.check()


def _prepare(config: DictConfig) -> None:
    from data_prep.options import Options
    from data_prep.run import prepare

    options = Options(**{field.name: config[field.name] for field in fields(Options)})
    summary = prepare(
        Path(str(config.source)).expanduser(),
        Path(str(config.output)).expanduser(),
        options,
        workers=config.workers,
        engine=config.engine,
        ray_address=config.ray_address,
        splits=OmegaConf.to_container(config)["splits"],
        redo=config.redo,
    )
    print(_report(summary, config.output))
    if not summary.kept:
        raise ConfigError(f"no clip was kept; the reasons are in {config.output}/manifest.jsonl")


def _report(summary: Summary, output: str) -> str:
    kept = summary.kept
    minutes = sum(row.frames for row in kept) / 25 / 60
    files = len({row.source for row in summary.rows})
    lines = [f"kept {len(kept)} clips of {files} files, {minutes:.1f} minutes"]
    lines += [f"  {count} {reason}" for reason, count in summary.reasons.most_common()]
    lines += _table(summary.splits)
    lines.append(f"manifest: {output}/manifest.jsonl; to look at the clips: {output}/report.html")
    return "\n".join(lines)


def _table(splits: Splits) -> list[str]:
    """Who is where, a line a split, and what is wrong with it."""
    rows = [("", "speakers", "videos", "clips", "minutes")]
    rows += [
        (c.split, str(c.speakers), str(c.videos), str(c.clips), f"{c.minutes:.1f}")
        for c in splits.table
    ]
    width = max(len(name) for name, *_ in rows)
    lines = [f"splits, {splits.origin}:"]
    lines += [f"  {n:{width}} {s:>9} {v:>7} {c:>8} {m:>9}" for n, s, v, c, m in rows]
    lines += [f"warning: {overlap}" for overlap in splits.overlaps]
    return lines + [f"warning: {remark}" for remark in splits.remarks]


if __name__ == "__main__":
    if sys.argv[1:2] in (["plan"], ["convert"]):
        main = import_module(f"data_prep.{sys.argv.pop(1)}_command").main
    run_command(main)
