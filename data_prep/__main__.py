"""``python -m data_prep source=DIR output=DIR``; the options are in ``conf/prepare.yaml``.

Without a source, ``python -m data_prep features=[NAME] output=DIR`` adds audio features to an
existing set. ``python -m data_prep plan source=DIR`` estimates the yield and cost of a set from a
sample of the footage (:mod:`data_prep.plan`), and ``python -m data_prep convert`` converts a set
between folders and shards (:mod:`data_prep.convert`).
"""

from __future__ import annotations

import sys
from dataclasses import fields
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig, OmegaConf

from lipsync.command import CONF, require_options, run_command
from lipsync.data.places import is_url
from lipsync.errors import ConfigError, exit_on_error
from lipsync.plugins import import_plugins

if TYPE_CHECKING:
    from data_prep.finish import Summary
    from data_prep.splits import Splits
    from lipsync.features import Feature

FORMS = ("folders", "shards")


@hydra.main(config_path=CONF, config_name="prepare", version_base="1.3")
def main(config: DictConfig) -> None:
    """Prepare a folder of videos as configured."""
    from data_prep.features import add_features, parse_features  # slow to import

    with exit_on_error():
        import_plugins(config.plugins, "plugins")
        features = parse_features(OmegaConf.to_container(config)["features"])
        needed = ("output",) if features else ("source", "output")
        require_options(config, "source=DIR output=DIR, or features=[NAME] output=DIR", *needed)
        output = _expand_user(config.output)
        form = _form(config, output)
        given = not OmegaConf.is_missing(config, "source")
        if given:
            for feature in features:  # otherwise it is noticed only after the footage
                feature.check_installed()
            _prepare(config, output, form, features)
        if features and form == "shards" and not given:
            raise ConfigError(
                f"output={output}: features are added to folders of clips; for shards, give the "
                "source, too"
            )
        if features and form == "folders":
            added = add_features(
                Path(output),
                features,
                workers=config.workers,
                engine=config.engine,
                ray_address=config.ray_address,
            )
            print(added)
            added.check()


def _expand_user(place: object) -> str:
    return str(place) if is_url(str(place)) else str(Path(str(place)).expanduser())


def _form(config: DictConfig, output: str) -> str:
    """The form of the set; by default shards if the source or output is a URL, else folders."""
    source = "" if OmegaConf.is_missing(config, "source") else str(config.source)
    form = config.form or ("shards" if is_url(output) or is_url(source) else "folders")
    if form not in FORMS:
        raise ConfigError(f"form={form}: must be one of {', '.join(FORMS)}")
    for name, value in (("source", source), ("output", output)):
        if form == "folders" and is_url(value):
            raise ConfigError(f"{name}={value}: form=folders needs a local folder; use form=shards")
    return form


def _prepare(config: DictConfig, output: str, form: str, features: list[Feature]) -> None:
    from data_prep.options import Options
    from data_prep.run import prepare
    from data_prep.sharded import prepare_shards

    options = Options(**{field.name: config[field.name] for field in fields(Options)})
    work = partial(prepare_shards, quality=config.quality, files=config.files, features=features)
    summary = (work if form == "shards" else prepare)(
        _expand_user(config.source),
        output,
        options,
        workers=config.workers,
        engine=config.engine,
        ray_address=config.ray_address,
        splits=OmegaConf.to_container(config)["splits"],
        redo=config.redo,
        reader=config.reader,
    )
    print(_report(summary, output))
    if not summary.clips:
        raise ConfigError(f"no clips were kept; see {output}/manifest.jsonl for the reasons")


def _report(summary: Summary, output: str) -> str:
    lines = [
        f"kept {summary.clips} clips from {summary.files} files, {summary.minutes:.1f} minutes"
    ]
    lines += [f"  {count} {reason}" for reason, count in summary.reasons.most_common()]
    lines += [summary.sync, *_splits_table(summary.splits)]
    lines.append(f"manifest: {output}/manifest.jsonl; report: {output}/report.html")
    return "\n".join(lines)


def _splits_table(splits: Splits) -> list[str]:
    """Lines with the speakers, videos and clips of each split, then the warnings."""
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
    name = "prepare"
    if sys.argv[1:2] in (["plan"], ["convert"]):
        name = sys.argv.pop(1)
        main = import_module(f"data_prep.{name}_command").main
    run_command(main, name)
