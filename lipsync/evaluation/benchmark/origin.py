"""Did the judge take part in training a system? Answered from its dubs' generator metadata."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lipsync.checkpoints.loading import bundled_models, read_weights
from lipsync.checkpoints.origin import trained_with
from lipsync.dubbing.pipeline import generator_name
from lipsync.errors import LipsyncError
from lipsync.evaluation.independence import UNKNOWN, judge_trained
from lipsync.evaluation.judge import Judge


def judge_trained_dubs(judge: Judge, dubs: Iterable[Path]) -> str:
    """ "yes", "no" or "unknown", for the first dub that names a generator found locally.

    Only bundled models and local files are searched; nothing is downloaded.
    """
    for dub in dubs:
        try:
            model = generator_name(dub)
            if model is None or not (model in bundled_models() or Path(model).is_file()):
                continue
            record = trained_with(read_weights(model))
            return judge_trained(judge.model, judge.name, model, record, allowed=True)
        except LipsyncError:
            continue
    return UNKNOWN
