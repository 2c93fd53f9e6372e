"""The default training set: generated talking heads, prepared in the same way as real footage."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from data_prep.run import prepare
from lipsync.sample import make_sample_corpus


def prepared_sample(path: str | Path, *, workers: int = 2) -> str:
    """Generate and prepare the corpus, unless it already exists.

    Args:
        path: a folder; its subfolder ``footage`` holds the videos, ``prepared`` the prepared set.
        workers: number of processes.

    Returns:
        Path of the prepared set.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    with FileLock(path / ".lock"):  # processes of one training run may get here at the same time
        footage = make_sample_corpus(path / "footage", workers=workers)
        prepare(footage, path / "prepared", workers=workers)
    return str(path / "prepared")
