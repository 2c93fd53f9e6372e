"""Base and adapted models, person by person: held-out pictures, and dubs with foreign speech.

    python -m experiments.adapt.table PEOPLE --speech a.wav b.wav -o OUT [--seconds 10 30]

``PEOPLE`` has one folder per person. A single video is split in half: the first half is used for
adaptation, the second is cut into test clips of four seconds. Of several videos, the first two
thirds are used for adaptation. All files are kept in OUT, and existing ones are reused.
"""

from __future__ import annotations

import argparse
import json
from functools import cache
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from torch import nn

from lipsync.adapt import adapt
from lipsync.adapt.comparison import RenderMetrics, measure_renders, render_frames
from lipsync.adapt.footage import gather
from lipsync.checkpoints import load_model
from lipsync.data.store import open_clip
from lipsync.dubbing import dub
from lipsync.errors import ConfigError
from lipsync.evaluation import DEFAULT_JUDGE, as_judge, score_video
from lipsync.faces.detect import get_detector
from lipsync.generators.lips import Lips
from lipsync.media import VideoWriter, probe, read_audio, read_frames, write_audio
from lipsync.metrics.statistics import mean_interval, statistic_interval

CLIP, RATE = 4.0, 16000
_SHOWN = 8  # frames per contact sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("--speech", type=Path, nargs="+", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, nargs="*", default=[])
    parser.add_argument("--base", default="lipscode-open")
    parser.add_argument("--clips", type=int, default=4, help="maximum test clips per person")
    parser.add_argument("--only", nargs="*", help="only these people")
    options = parser.parse_args()
    speech = np.concatenate([read_audio(path, RATE) for path in options.speech])
    rows = []
    for person in sorted(path for path in options.people.iterdir() if path.is_dir()):
        if not options.only or person.name in options.only:
            rows += of_person(person, speech, options)
            print(table(rows), flush=True)
    (options.output / "rows.json").write_text(json.dumps(rows, indent=1))


def of_person(person: Path, speech: np.ndarray, options: argparse.Namespace) -> list[dict]:
    """One row of results per model, base first; also writes a contact sheet, real frames first."""
    folder = options.output / person.name
    own, judged = halves(person, folder, options.clips)
    models = {"base": options.base}
    for name, seconds in [*((f"{s:g} s", s) for s in options.seconds), ("all", None)]:
        target = folder / f"{name.replace(' ', '')}.safetensors"
        if not target.is_file():
            footage = own if seconds is None else first(own, seconds, folder / target.stem)
            try:
                print(adapt(footage, target, options.base), flush=True)
            except ConfigError as refused:  # no model is written: use the base
                print(f"{person.name}, {name}: {refused}", flush=True)
                target = Path(options.base)
        models[name] = str(target)
    network = load_model(options.base)
    held = gather(judged, folder / "judged", network, sync_check=False)
    keys = sorted([*held.train, *held.held_out])
    rows, sheet = [], []
    for name, model in models.items():
        network = load_model(model)
        row = by_clip(network, held.root, keys)
        row |= {"person": person.name, "model": name, "distance": [], "real": []}
        for number, clip in enumerate(judged):
            sound = folder / f"foreign{number}.wav"
            start = round(number * CLIP * RATE) % max(1, len(speech) - round(CLIP * RATE))
            write_audio(sound, speech[start : start + round(CLIP * RATE)], RATE)
            made = folder / f"{clip.stem}-{name.replace(' ', '')}.mp4"
            if not made.is_file():
                dub(clip, sound, made, model=model)
            row["distance"].append(distance(made))
            row["real"].append(distance(clip))
        rows.append(row)
        clip = open_clip(held.root, keys[0])
        frames = np.linspace(0, len(clip) - 1, _SHOWN).round().astype(int)
        sheet += [clip.read(frames)] * (not sheet) + [
            to_bytes(render_frames(Lips(network), clip, frames))
        ]
    picture = np.concatenate([np.concatenate(list(row), axis=1) for row in sheet])
    cv2.imwrite(str(folder / "sheet.png"), picture[..., ::-1])
    return rows


def by_clip(network: nn.Module, root: Path, keys: list[str]) -> dict:
    """Scores of the pictures generated for held-out clips, one value per test video."""
    row: dict = {"psnr": [], "edges": [], "motion": []}
    for _, pieces in groupby(keys, lambda key: key.rpartition(".")[0]):
        found: RenderMetrics = measure_renders(network, root, list(pieces))
        row["psnr"].append(float(found.psnr.mean()))
        row["edges"].append(found.edges.sum(axis=0).tolist())
        row["motion"].append(np.nansum(found.motion, axis=0).tolist())
    return row


def to_bytes(pictures: np.ndarray) -> np.ndarray:
    return (pictures * 255).round().astype(np.uint8)


def distance(video: Path) -> float:
    """LSE-D by a judge that took no part in training."""
    judge, detector = _tools()
    return float(score_video(video, judge, detector).result.distance)


@cache
def _tools() -> tuple:
    return as_judge(DEFAULT_JUDGE), get_detector("centerface")


def halves(person: Path, folder: Path, most: int) -> tuple[list[Path], list[Path]]:
    """Videos to adapt to, and at most ``most`` test clips."""
    videos = sorted(path for path in person.iterdir() if path.is_file())
    if len(videos) > 1:
        cut = round(len(videos) * 2 / 3)
        return videos[:cut], videos[cut : cut + most]
    length = probe(videos[0]).video_seconds
    own = part(videos[0], folder / "own.mp4", 0.0, length / 2)
    starts = np.arange(length / 2, length - CLIP, CLIP)[:most]
    judged = [part(videos[0], folder / f"judged{i}.mp4", s, s + CLIP) for i, s in enumerate(starts)]
    return [own], judged


def first(videos: list[Path], seconds: float, folder: Path) -> list[Path]:
    """The first ``seconds`` of the videos taken together; the last one is cut."""
    found = []
    for number, video in enumerate(videos):
        length = probe(video).video_seconds
        if length > seconds:
            return [*found, part(video, folder / f"part{number}.mp4", 0.0, seconds)]
        found.append(video)
        seconds -= length
    return found


def part(video: Path, target: Path, start: float, end: float) -> Path:
    """Write a part of a video, with its sound, as nearly lossless H.264."""
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    about = probe(video)
    wave = read_audio(video, RATE)[round(start * RATE) : round(end * RATE)]
    size = about.width, about.height
    with VideoWriter(target, about.fps, size, audio=wave, sample_rate=RATE, crf=12) as writer:
        for seconds, frame in read_frames(video):
            if start <= seconds < end:
                writer.write(frame)
    return target


def table(rows: list[dict]) -> str:
    """A Markdown table, one line per person and model; 95 % intervals over clips."""
    lines = [
        "| person | model | PSNR, dB | gain | distance | change | sharpness | silent motion |",
        "| --- | --- | ---: | --- | ---: | --- | ---: | ---: |",
    ]
    base: dict = {}
    for row in rows:
        base = row if row["model"] == "base" else base
        gain, change = (
            "" if row is base else mean_interval(np.subtract(row[k], base[k])).text(digits)
            for k, digits in (("psnr", 2), ("distance", 3))
        )
        sharp = statistic_interval(np.array(row["edges"]), lambda s: np.sqrt(s[:, 0] / s[:, 1]))
        silent = statistic_interval(np.array(row["motion"]), lambda s: s[:, 0] / s[:, 1])
        far = f"{np.mean(row['distance']):.3f} (real {np.mean(row['real']):.3f})"
        lines.append(
            f"| `{row['person']}` | {row['model']} | {np.mean(row['psnr']):.1f} | {gain} | {far} | "
            f"{change} | {sharp.text(2)} | {silent.text(2)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
