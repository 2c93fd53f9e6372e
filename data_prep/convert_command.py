"""``python -m data_prep convert root=DIR output=DIR form=shards``; see ``conf/convert.yaml``."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from lipsync.command import CONF, require_options
from lipsync.errors import exit_on_error


@hydra.main(config_path=CONF, config_name="convert", version_base="1.3")
def main(config: DictConfig) -> None:
    """Convert a prepared set as configured."""
    from data_prep.convert import convert

    with exit_on_error():
        usage = "python -m data_prep convert root=DIR output=DIR form=shards"
        require_options(config, usage, "root", "output", "form")
        options = {name: config[name] for name in ("quality", "clips", "workers")}
        print(convert(str(config.root), str(config.output), config.form, **options))
