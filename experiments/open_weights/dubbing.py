"""Do dubbed faces follow their new speech? Dubs test faces with the sound of other test clips.

    python experiments/open_weights/dubbing.py GENERATOR EXPERT data/grid FOOTAGE -o FOLDER

Each face is dubbed with the speech of another clip through the whole pipeline (detect, crop,
generate, paste, encode). The un-dubbed face with the same speech serves as the baseline. The expert
scores both as `lipsync evaluate` does.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.checkpoints import load_model
from lipsync.data.store import read_split
from lipsync.dubbing import dub
from lipsync.evaluation import Judge, score_video
from lipsync.faces.detect import get_detector
from lipsync.media import VideoWriter, probe, read_audio, read_frames


def undubbed(face: Path, voice: Path, output: Path) -> None:
    """Write the face unchanged, with another sound."""
    info = probe(face)
    wave = read_audio(voice, SAMPLE_RATE)
    size = info.width, info.height
    with VideoWriter(output, info.fps, size, audio=wave, sample_rate=SAMPLE_RATE) as writer:
        for _, frame in read_frames(face):
            writer.write(frame)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generator")
    parser.add_argument("expert")
    parser.add_argument("root", type=Path, help="prepared GRID, for its split list")
    parser.add_argument("footage", type=Path, help="the videos that it was prepared from")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--pairs", type=int, default=20)
    args = parser.parse_args()

    keys = read_split(args.root, args.split)
    rng = np.random.default_rng(0)
    faces = [keys[i] for i in rng.permutation(len(keys))[: args.pairs]]
    voices = [str(rng.choice([key for key in keys if key != face])) for face in faces]
    detector, judge = get_detector("centerface"), Judge(load_model(args.expert))
    generator = load_model(args.generator)
    args.output.mkdir(parents=True, exist_ok=True)

    rows = []
    for face, voice in zip(faces, voices, strict=True):
        source, sound = (args.footage / f"{key}.mp4" for key in (face, voice))
        name = f"{face}+{voice}".replace("/", "_")
        videos = {kind: args.output / f"{name}_{kind}.mp4" for kind in ("dubbed", "undubbed")}
        dub(source, sound, videos["dubbed"], model=generator, detector=detector)
        undubbed(source, sound, videos["undubbed"])
        row: dict = {"face": face, "voice": voice}
        for kind, video in {**videos, "real": source, "voice_video": sound}.items():
            score, _ = score_video(video, judge, detector)
            row |= {f"{kind}_distance": score.distance, f"{kind}_offset": score.offset}
        rows.append(row)
        print(
            f"{face} + {voice}: distance dubbed {row['dubbed_distance']:.3f}, un-dubbed "
            f"{row['undubbed_distance']:.3f}, real {row['real_distance']:.3f}; offset "
            f"{row['dubbed_offset']:+d}",
            flush=True,
        )

    def mean(kind: str) -> float:
        return statistics.mean(row[f"{kind}_distance"] for row in rows)

    within = [abs(row["dubbed_offset"]) <= 1 for row in rows]
    lower = [row["dubbed_distance"] < row["undubbed_distance"] for row in rows]
    summary = {
        "pairs": len(rows),
        "offset_within_1": statistics.mean(within),
        "lower_distance": statistics.mean(lower),
        "both": statistics.mean(a and b for a, b in zip(within, lower, strict=True)),
        "median_offset": statistics.median(row["dubbed_offset"] for row in rows),
        **{f"{kind}_distance": mean(kind) for kind in ("real", "dubbed", "undubbed")},
    }
    print(json.dumps(summary, indent=1))
    report = {"summary": summary, "rows": rows}
    (args.output / "dubbing.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
