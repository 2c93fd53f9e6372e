"""The embedded default: a generated corpus of talking heads, prepared as real footage is."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from data_prep.run import prepare
from lipsync.sample import make_sample_corpus


def prepared_sample(path: str | Path, *, workers: int = 2) -> str:
    """Make and prepare the generated corpus where it is not there yet.

    Args:
        path: a folder; the videos go to ``footage`` in it, the prepared set to ``prepared``.
        workers: processes.

    Returns:
        The path of the prepared set.
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    with FileLock(path / ".lock"):  # several processes of one training run may come here at once
        footage = make_sample_corpus(path / "footage", workers=workers)
        prepare(footage, path / "prepared", workers=workers)
    return str(path / "prepared")
