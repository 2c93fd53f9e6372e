"""Evaluate a generator on pairs of a face and a speech: dub, score, and go on where it was left.

Every pair is scored four ways (:data:`lipsync.evaluation.table.SETS`): the dub, the dub beside
another speech, the face unchanged beside the speech of the dub, and the face with its own. A
generator that paints the same mouth whatever it hears scores alike in the first two; one that
copies its reference scores like the third. All are heard as the sound was given, not as the dub's
encoder left it, so that only the pictures differ.

The output folder holds ``dubbed/``, one JSON file a finished pair in ``pairs/``, and
``settings.json``, by which an interrupted run knows that it is the same run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lipsync.audio import SAMPLE_RATE
from lipsync.checkpoints import fingerprint
from lipsync.devices import to_device
from lipsync.dubbing import dub
from lipsync.errors import ConfigError, LipsyncError, MediaError
from lipsync.evaluation.judges import Judge, as_judge
from lipsync.evaluation.lists import Pair
from lipsync.evaluation.table import (
    COPIED,
    GENERATED,
    REAL,
    SETS,
    SWAPPED,
    Report,
    Row,
    write_text,
)
from lipsync.evaluation.truth import likeness
from lipsync.evaluation.videos import (
    DEFAULT_JUDGE,
    find_stretch,
    measure,
    protocol_name,
    scored_row,
)
from lipsync.faces.detect import Detector, get_detector
from lipsync.faces.tracks import STRIDE
from lipsync.media import read_audio, whole_file
from lipsync.metrics.frechet import FrechetDistance
from lipsync.metrics.functional import VSHIFT
from lipsync.models import Wav2Lip
from lipsync.models.inference import optimise

_LEAST_SOUND = 0.5  # seconds; another pair's speech that is shorter is passed over


@dataclass(frozen=True)
class _Run:
    """What all pairs of a run share."""

    generator: nn.Module
    judge: Judge
    detector: Detector
    stride: int
    vshift: int
    protocol: str
    folder: Path


def evaluate_generator(
    model: str | Path | nn.Module,
    pairs: Sequence[Pair],
    output: str | Path,
    *,
    judge: Judge | str = DEFAULT_JUDGE,
    detector: str | Detector = "centerface",
    stride: int = STRIDE,
    vshift: int = VSHIFT,
    protocol: str = "wild",
    device: str = "cpu",
    progress: Callable[[str, int, int], None] | None = None,
) -> Report:
    """Dub every pair with a generator and score it beside its baselines and the real videos.

    A pair in which anything cannot be read, dubbed or scored is named with its problem and left
    out of the means of all sets, so that these are always over the same pairs.

    Args:
        model: a generator, or the name or path of one.
        pairs: what to dub; see :mod:`lipsync.evaluation.lists`.
        output: a folder for dubs and results. With the results of an interrupted run of the same
            settings in it, only what is missing is done; the report is the same, but for the little
            that H.264 encoders vary on equal frames.
        judge, detector, stride, vshift, protocol, device, progress: as for
            :func:`lipsync.evaluation.evaluate`.

    Raises:
        ConfigError: no pairs, a folder with the results of other settings, or a bad option.
        CheckpointError: a model that cannot be loaded.
    """
    if not pairs:
        raise ConfigError("there are no pairs to evaluate; name a file list or a folder of videos")
    if vshift < 1 or stride < 1:
        raise ConfigError(f"vshift and stride must be 1 or more, got {vshift} and {stride}")
    generator, weights, name = _generator(model, device)
    judge = as_judge(judge, device)
    if isinstance(detector, str):
        detector = get_detector(detector)
    settings = {
        "model": name,
        "model_weights": weights,
        "judge": judge.name,
        "judge_weights": fingerprint(judge.model),
        "protocol": protocol_name(protocol, judge),
        "detector": detector.name,
        "stride": stride,
        "vshift": vshift,
        "pairs": len(pairs),
        "pair_list": _digest(f"{p.video}\t{p.audio}\n" for p in pairs),
    }
    folder = Path(output)
    _settle(folder, settings)
    run = _Run(generator, judge, detector, stride, vshift, protocol, folder)

    rows: list[Row] = []
    for number, pair in enumerate(pairs):
        if progress:
            progress(pair.name, number, len(pairs))
        rows += _finished(folder, number) or _evaluate_pair(run, pairs, number)
    if progress:
        progress("", len(pairs), len(pairs))
    order = list(SETS)
    rows.sort(key=lambda row: order.index(row.set))  # stable: pairs stay in their order
    frechet = _frechet(folder, rows, pairs, judge)
    return Report(rows, judge.name, settings["protocol"], vshift, settings, frechet)


def dubbed_path(folder: Path, number: int, pair: Pair) -> Path:
    """Where a pair's dub lies."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", pair.name)[:80]
    return folder / "dubbed" / f"{number:05d}_{plain}.mp4"


# ---------------------------------------------------------------- one pair


def _evaluate_pair(run: _Run, pairs: Sequence[Pair], number: int) -> list[Row]:
    pair = pairs[number]
    features: dict[str, list[np.ndarray]] = {GENERATED: [], REAL: []}
    try:
        rows = _score_pair(run, pairs, number, features)
    except LipsyncError as error:
        about = getattr(error, "subject", "")
        problem = getattr(error, "problem", str(error))
        text = f"{Path(about).name}: {problem}" if about else problem
        alone = all(other.audio == pair.audio for other in pairs)
        kinds = [kind for kind in SETS if kind != SWAPPED or not alone]
        rows = [Row(kind, pair.name, 0, problem=text) for kind in kinds]
    else:
        for kind, parts in features.items():
            _save_array(_pair_file(run.folder, number, f"{kind}.npy"), np.concatenate(parts))
    text = json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n"
    write_text(_pair_file(run.folder, number, "json"), text)
    return rows


def _score_pair(
    run: _Run, pairs: Sequence[Pair], number: int, features: dict[str, list[np.ndarray]]
) -> list[Row]:
    pair, judge = pairs[number], run.judge
    find = {"stride": run.stride, "protocol": run.protocol}
    speech, own = (read_audio(path, SAMPLE_RATE) for path in (pair.audio, pair.video))
    real = find_stretch(pair.video, judge, run.detector, **find)

    made = dubbed_path(run.folder, number, pair)
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        dub(pair.video, pair.audio, made, model=run.generator, detector=run.detector)
    stretch = find_stretch(made, judge, run.detector, **find)
    other = _another_speech(pairs, number)

    def keep(kind: str) -> Callable[[torch.Tensor], None]:
        return lambda found: features[kind].append(found.numpy())

    options = {"judge": judge, "vshift": run.vshift}
    sounds = [speech] if other is None else [speech, other]
    generated = measure(stretch, sounds, watch=keep(GENERATED), **options)
    shown = measure(real, [own, speech], watch=keep(REAL), **options)

    picture = generated.pictures[0]
    if pair.own_sound:
        picture = picture | likeness(stretch, real)
    rows = [scored_row(GENERATED, pair.name, generated.scores[0], picture)]
    if other is not None:
        rows.append(scored_row(SWAPPED, pair.name, generated.scores[1], generated.pictures[1]))
    rows.append(scored_row(COPIED, pair.name, shown.scores[1], shown.pictures[1]))
    rows.append(scored_row(REAL, pair.name, shown.scores[0], shown.pictures[0]))
    return rows


def _another_speech(pairs: Sequence[Pair], number: int) -> np.ndarray | None:
    """The speech of the next pair that has another one, readable; ``None`` where none has."""
    here = pairs[number].audio
    for pair in (*pairs[number + 1 :], *pairs[:number]):
        if pair.audio == here:
            continue
        try:
            wave = read_audio(pair.audio, SAMPLE_RATE)
        except MediaError:
            continue
        if len(wave) >= _LEAST_SOUND * SAMPLE_RATE:
            return wave
    return None


# ---------------------------------------------------------------- folders and settings


def _settle(folder: Path, settings: dict[str, Any]) -> None:
    """Begin or continue a run in ``folder``; refuse one of other settings."""
    path = folder / "settings.json"
    if path.exists():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise ConfigError(f"{path}: is damaged; use another output folder") from None
        changed = [name for name in settings if before.get(name) != settings[name]]
        if changed:
            told = ", ".join(f"{n} {before.get(n)} there, {settings[n]} now" for n in changed)
            raise ConfigError(
                f"{folder}: holds a run of other settings ({told}); use another output folder"
            )
    else:
        write_text(path, json.dumps(settings, indent=1, ensure_ascii=False) + "\n")
    for part in ("dubbed", "pairs"):
        for left in (folder / part).glob(".*"):  # of a run that was killed while writing
            left.unlink()


def _pair_file(folder: Path, number: int, ending: str) -> Path:
    return folder / "pairs" / f"{number:05d}.{ending}"


def _finished(folder: Path, number: int) -> list[Row] | None:
    """A pair's rows, where an earlier run has got that far."""
    path = _pair_file(folder, number, "json")
    if not path.exists():
        return None
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def _save_array(path: Path, array: np.ndarray) -> None:
    with whole_file(path) as temporary:
        np.save(temporary, array.astype(np.float32), allow_pickle=False)


def _frechet(
    folder: Path, rows: list[Row], pairs: Sequence[Pair], judge: Judge
) -> dict[str, Any] | None:
    """Of the judge's embeddings of generated and real faces, over the pairs that were scored."""
    scored = {row.video for row in rows if row.set == GENERATED and not row.problem}
    metric: FrechetDistance | None = None
    for number, pair in enumerate(pairs):
        if pair.name not in scored:
            continue
        for kind in (GENERATED, REAL):
            path = _pair_file(folder, number, f"{kind}.npy")
            found = torch.from_numpy(np.load(path, allow_pickle=False))
            name = f"faces as {judge.name} embeds them"
            metric = metric or FrechetDistance(None, name, found.shape[1])
            metric.update(found, real=kind == REAL)
    return metric.compute() if metric is not None else None


def _generator(model: str | Path | nn.Module, device: str) -> tuple[nn.Module, str, str]:
    """The generator ready for use, the fingerprint of its weights, and its name."""
    if isinstance(model, nn.Module):
        return model, fingerprint(model), type(model).__name__
    from lipsync.checkpoints import load_model

    module = load_model(model)
    if not isinstance(module, Wav2Lip):
        raise ConfigError(
            f"model {model} is a {type(module).__name__}, which does not dub; use a Wav2Lip"
        )
    return optimise(to_device(module, device)), fingerprint(module), str(model)


def _digest(lines: Any) -> str:
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]
