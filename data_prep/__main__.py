"""``python -m data_prep source=DIR output=DIR``: options in ``conf/prepare.yaml``.

Without a source, ``python -m data_prep features=[NAME] output=DIR`` adds features of the sound to a
set that is there.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from data_prep.features import add_features, named_features
from data_prep.options import Options
from data_prep.run import Summary, prepare
from lipsync.command import CONF, run_command
from lipsync.errors import ConfigError, exit_on_error
from lipsync.plugins import import_plugins


@hydra.main(config_path=CONF, config_name="prepare", version_base="1.3")
def main(config: DictConfig) -> None:
    """Prepare a folder of videos as the configuration says."""
    with exit_on_error():
        import_plugins(config.plugins, "plugins")
        features = named_features(OmegaConf.to_container(config)["features"])
        needed = ("output",) if features else ("source", "output")
        if missing := [name for name in needed if OmegaConf.is_missing(config, name)]:
            raise ConfigError(
                f"{' and '.join(missing)} not given: python -m data_prep source=DIR output=DIR, or "
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
        raise ConfigError(f"no clip was kept; {config.output}/manifest.jsonl says why")


def _report(summary: Summary, output: str) -> str:
    kept = summary.kept
    minutes = sum(row.frames for row in kept) / 25 / 60
    files = len({row.source for row in summary.rows})
    lines = [f"kept {len(kept)} clips of {files} files, {minutes:.1f} minutes"]
    lines += [f"  {count} {reason}" for reason, count in summary.reasons.most_common()]
    lines.append("splits: " + ", ".join(f"{k} {n}" for k, n in summary.splits.items()))
    lines.append(f"manifest: {output}/manifest.jsonl, and to look at: {output}/report.html")
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(main)
