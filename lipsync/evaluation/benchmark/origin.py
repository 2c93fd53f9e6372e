"""Did the judge take part in the training of a system? By what its dubs say of their generator."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lipsync.checkpoints.loading import bundled_models, read_weights
from lipsync.checkpoints.origin import trained_with
from lipsync.dubbing.pipeline import named_model
from lipsync.errors import LipsyncError
from lipsync.evaluation.independence import UNKNOWN, judge_trained
from lipsync.evaluation.judge import Judge


def trained_by(judge: Judge, dubs: Iterable[Path]) -> str:
    """ "yes", "no", or "unknown": of the first dub that names a generator that is here.

    A generator is looked up among bundled models and files, and nothing is fetched.
    """
    for dub in dubs:
        try:
            model = named_model(dub)
            if model is None or not (model in bundled_models() or Path(model).is_file()):
                continue
            record = trained_with(read_weights(model))
            return judge_trained(judge.model, judge.name, model, record, allowed=True)
        except LipsyncError:
            continue
    return UNKNOWN
