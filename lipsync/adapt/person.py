"""Fine-tuning of a generator on one person: footage, training, comparison, model file."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from lipsync.adapt.codes import fit_codes
from lipsync.adapt.comparison import Gain, compare, measure_renders
from lipsync.adapt.footage import Footage, check_videos, find_videos, gather
from lipsync.adapt.programs import run_program
from lipsync.adapt.softening import choose_interpolation
from lipsync.checkpoints import load_model, save_model
from lipsync.checkpoints.files import fingerprint, sha256
from lipsync.checkpoints.origin import card_of
from lipsync.data.store import open_clip
from lipsync.errors import ConfigError, LipsyncError, check_whole
from lipsync.generators.gallery import describe_face
from lipsync.generators.lips import read_generator
from lipsync.media import check_target
from lipsync.models import LipsCode

BASE = "lipscode-open"
_BATCHES = 300
_FRAMES_PER_CLIP = 8  # frames per clip
_LAST = Path("run", "checkpoints", "last.ckpt")

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class AdaptationResult:
    """The result of an adaptation.

    Attributes:
        output: the file written.
        base: name or path of the base generator.
        seconds: duration of the footage used, including held-out footage.
        held_out_seconds: duration of the held-out footage.
        gain: comparison on the held-out footage.
        remarks: notes on the footage.
    """

    output: Path
    base: str
    seconds: float
    held_out_seconds: float
    gain: Gain
    remarks: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "output": str(self.output),
            "base": self.base,
            "seconds": round(self.seconds, 2),
            "held_out_seconds": round(self.held_out_seconds, 2),
            **self.gain.as_dict(),
            "remarks": self.remarks,
        }

    def __str__(self) -> str:
        gain = self.gain
        lines = [
            f"{self.output}: {self.base}, trained on, on {self.seconds:.0f} s of footage",
            f"on {self.held_out_seconds:.0f} s held out: {gain.psnr:.1f} dB of the lower half, "
            f"{gain.psnr_gain.text(1)} dB better; sharpness {gain.sharpness:.2f} of the real, was "
            f"{gain.sharpness_base:.2f}",
            *self.remarks,
            f"next: lipsync dub FACE AUDIO -o OUT.mp4 --model {self.output}",
        ]
        return "\n".join(lines)


def adapt(
    videos: Sequence[str | Path],
    output: str | Path,
    base: str | Path = BASE,
    *,
    consent: str | None = None,
    face: str | None = None,
    sync_check: bool = True,
    batches: int = _BATCHES,
    device: str = "cpu",
    work: str | Path | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> AdaptationResult:
    """Fine-tune a generator on footage of one person, and write it if it is better.

    The last tenth of the footage is held out; training stops when quality on it no longer
    improves. If the result is too sharp, its weights are interpolated back towards the base; a
    generator that is no better than the base is not written. An interrupted call resumes.

    Args:
        videos: the person speaking, in sync; files, or folders of them. At least five seconds.
        output: the ``.safetensors`` to write.
        base: name or path of the generator to start from.
        consent: what the person agreed to, recorded in the file's card.
        face: if there are several faces: "sync" selects the speaking one; None refuses them.
        sync_check: shift the sound if its pieces agree that it is off.
        batches: maximum number of training steps, of 16 frames each.
        device: device for training: "cpu" or "cuda".
        work: folder for the prepared footage and the run; None keeps them beside the output until
            it is written.
        progress: called with stage, steps done, and steps in total.

    Raises:
        MediaError: a video that cannot be read, or an output whose folder does not exist.
        CheckpointError: a base that cannot be read, or an output that cannot be written.
        ConfigError: a base that is not a generator; footage that is too short, of several people,
            out of sync or without speech; or an adaptation that is no better.
        TrainingError: training that diverges.
    """
    output = Path(output)
    if output.suffix != ".safetensors":
        raise ConfigError(f"`output={output}`: name a .safetensors file")
    check_whole("batches", batches, 2)
    if device not in ("cpu", "cuda"):
        raise ConfigError(f"device={device}: must be cpu or cuda")
    if face not in (None, "sync"):
        raise ConfigError(f"face={face}: the only choice is sync, the face that speaks")
    found = find_videos(videos)
    check_target(output, *found)
    check_videos(found)
    model = read_generator(base)
    folder = output.with_name(output.name + ".work") if work is None else Path(work)
    options = {
        "base": fingerprint(model),
        "videos": [sha256(video) for video in found],
        "face": face,
        "sync_check": sync_check,
        "batches": batches,
    }
    _prepare_folder(folder, options)
    progress("prepare", 0, None)
    try:
        footage = gather(found, folder, model, face=face, sync_check=sync_check)
    except LipsyncError:
        if work is None:  # nothing to resume from
            shutil.rmtree(folder, ignore_errors=True)
        raise
    _train(folder, footage, model, str(base), batches, device, progress)
    adapted = load_model(folder / "run" / "checkpoints" / "best.ckpt")
    progress("compare", 0, None)
    if isinstance(adapted, LipsCode):
        fit_codes(adapted, footage.root, footage.train)
    before = measure_renders(model, footage.root, footage.held_out)

    def judge(network: nn.Module) -> Gain:
        return compare(before, measure_renders(network, footage.root, footage.held_out))

    written, share, gain = choose_interpolation(model, adapted, judge)
    if not gain.psnr_gain.mean > 0:
        if work is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise ConfigError(
            f"on held-out footage the adapted model is no better than {base} "
            f"({gain.psnr:.2f} dB against {gain.psnr_base:.2f}), so it was not written; add "
            "footage, if possible from the video that is to be dubbed"
        )
    card = {
        **{k: v for k, v in card_of(model).items() if k in ("data", "licence", "license")},
        "adapted": {
            "base": Path(base).name,
            "base_weights": options["base"],
            "footage": [
                {"file": video.name, "sha256": digest}
                for video, digest in zip(found, options["videos"], strict=True)
            ],
            "seconds": round(footage.seconds, 2),
            "held_out_seconds": round(footage.held_out_seconds, 2),
            **gain.as_dict(),
            "share": share,
            "consent": consent or "not stated",
            "look": [round(float(value), 4) for value in _describe_person(footage)],
        },
    }
    save_model(written, output, card, half=True)
    if work is None:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = footage.seconds, footage.held_out_seconds
    return AdaptationResult(output, str(base), *seconds, gain, footage.remarks)


def _describe_person(footage: Footage) -> np.ndarray:
    """A descriptor of the person's appearance, from some frames of every clip."""
    clips = [open_clip(footage.root, key) for key in footage.train]
    crops = [
        clip.read(np.linspace(0, len(clip) - 1, _FRAMES_PER_CLIP).astype(int)) for clip in clips
    ]
    return describe_face(np.concatenate(crops))


def _prepare_folder(folder: Path, options: dict[str, Any]) -> None:
    """Prepare the work folder; results with other options are removed."""
    record = folder / "options.json"
    text = json.dumps(options, indent=1)
    try:
        if record.is_file() and record.read_text(encoding="utf-8") != text:
            for part in ("set", "run"):
                shutil.rmtree(folder / part, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        record.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LipsyncError(f"{folder}: cannot be written ({error.strerror})") from error


def _train(
    folder: Path,
    footage: Footage,
    model: nn.Module,
    base: str,
    batches: int,
    device: str,
    progress: Progress,
) -> None:
    """Run or resume ``lipsync.train experiment=adapt``, unless it has finished."""
    done = folder / "run" / "done"
    if done.is_file():
        return
    config = model.config
    options = [
        "experiment=adapt",
        f"model={'person_lipscode' if isinstance(model, LipsCode) else 'person_wav2lip'}",
        f"base={base}",
        f"data.root={footage.root}",
        f"data.image_size={config['image_size']}",
        f"data.framing={config.get('framing', 'box')}",
        f"trainer.batches={batches}",
        f"trainer.gpus={int(device == 'cuda')}",
        f"hydra.run.dir={folder / 'run'}",
    ]
    if (folder / _LAST).is_file():
        options.append("ckpt_path=last")
    log = folder / "train.log"
    run_program(
        "lipsync.train",
        options,
        log,
        lambda: progress("train", _steps_done(folder / "run"), batches),
    )
    done.write_text("")


def _steps_done(run: Path) -> int:
    """Number of training steps that a run has logged."""
    tables = sorted(run.glob("csv/version_*/metrics.csv"))
    try:
        with tables[-1].open(newline="", encoding="utf-8") as file:
            return max((int(row["step"]) + 1 for row in csv.DictReader(file)), default=0)
    except (IndexError, OSError, KeyError, ValueError):
        return 0
