"""What groups lines by voice best: our clustering, a speaker embedding, or a diariser?

    python experiments/voices_apart/benchmark.py FOLDER --model embedding.onnx \
        --segmentation segmentation.onnx --speakers 2 --seconds 1.5

FOLDER has a file, or a folder of files, of speech for each person. Speech is cut into lines. A
dialogue has six lines of each person in random order, at the same loudness, with short pauses. A
line is wrong if the best assignment of voices to people attributes it to somebody else. The
diariser (pyannote's segmentation with the same embedding, by sherpa-onnx) gets the whole dialogue
and the number of speakers; each line goes to the voice that it detects for most of the line.
"""

from __future__ import annotations

import argparse
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import sherpa_onnx
from scipy.optimize import linear_sum_assignment

from lipsync.errors import LipsyncError
from lipsync.media.loudness import read_speech
from lipsync.translation.clusters import cluster, voice_rows
from lipsync.translation.voiceprints import voiceprints

RATE, HOP = 16_000, 160
PAUSE = 0.1, 0.6  # range of pauses between lines, in seconds
LINES = 6  # per person in a dialogue


def lines_of(wave: np.ndarray, seconds: float) -> list[np.ndarray]:
    """Lines of 0.6 to 1.4 times ``seconds``, cut where it is quietest, at the same loudness."""
    power = np.square(wave[: len(wave) // HOP * HOP].reshape(-1, HOP)).mean(axis=1)
    smooth = np.convolve(power, np.ones(15) / 15, "same")
    least, most = (round(part * seconds * RATE / HOP) for part in (0.6, 1.4))
    lines, start = [], 0
    while start + least < len(smooth):
        ends = smooth[start + least : start + most]
        end = start + least + int(ends.argmin())
        line = wave[start * HOP : end * HOP]
        start = end
        if (level := np.sqrt(np.square(line).mean())) > 0.005:
            lines.append((line * 0.08 / level).clip(-1, 1).astype(np.float32))
    return lines


def people_in(folder: Path, seconds: float, most: int) -> dict[str, list[np.ndarray]]:
    found = {}
    for person in sorted(folder.iterdir()):
        lines: list[np.ndarray] = []
        for path in sorted(person.iterdir()) if person.is_dir() else [person]:
            if len(lines) < most:
                try:
                    lines += lines_of(read_speech(path), seconds)
                except LipsyncError as error:
                    print(error)
        if len(lines) >= LINES:
            found[person.stem] = lines[:most]
    return found


def by_diariser(wave, cuts, count: int, options: argparse.Namespace) -> list[int]:
    part = sherpa_onnx.OfflineSpeakerSegmentationPyannoteModelConfig(options.segmentation)
    config = sherpa_onnx.OfflineSpeakerDiarizationConfig(
        sherpa_onnx.OfflineSpeakerSegmentationModelConfig(pyannote=part),
        sherpa_onnx.SpeakerEmbeddingExtractorConfig(options.model),
        sherpa_onnx.FastClusteringConfig(num_clusters=count),
    )
    turns = sherpa_onnx.OfflineSpeakerDiarization(config).process(wave).sort_by_start_time()
    heard = np.zeros((len(cuts), count + 1))  # the last column: nobody
    for row, (start, end) in zip(heard, cuts, strict=True):
        for turn in turns:
            row[turn.speaker] += max(0, min(end / RATE, turn.end) - max(start / RATE, turn.start))
    heard[heard.sum(axis=1) == 0, -1] = 1
    return heard.argmax(axis=1).tolist()


def wrong(said: list[int], found: list[int]) -> float:
    table = np.zeros((max(said) + 1, max(*said, *found) + 1))
    np.add.at(table, (said, found), 1)
    return 1 - table[linear_sum_assignment(-table)].sum() / len(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True, help="speaker embedding, ONNX")
    parser.add_argument("--segmentation", help="pyannote's segmentation, ONNX, for the diariser")
    parser.add_argument("--speakers", type=int, default=2, help="people per dialogue")
    parser.add_argument("--seconds", type=float, default=2.4, help="typical length of a line")
    parser.add_argument("--dialogues", type=int, default=40)
    options = parser.parse_args()
    people = people_in(options.folder, options.seconds, 2 * LINES)
    rng, count = np.random.default_rng(0), options.speakers
    casts = list(combinations(people, count))
    casts = [casts[k] for k in rng.permutation(len(casts))[: options.dialogues]]
    errors: dict[str, list[float]] = {}
    work: dict[str, float] = {}
    heard = 0.0
    for cast in casts:
        lines = [
            (who, people[name][k])
            for who, name in enumerate(cast)
            for k in rng.permutation(len(people[name]))[:LINES]
        ]
        lines = [lines[k] for k in rng.permutation(len(lines))]
        parts, cuts, at = [], [], 0
        for _, line in lines:
            pause = np.zeros(round(rng.uniform(*PAUSE) * RATE), np.float32)
            cuts.append((at + len(pause), at + len(pause) + len(line)))
            parts += [pause, line]
            at = cuts[-1][1]
        wave = np.concatenate(parts)
        heard += len(wave) / RATE
        waves = [wave[start:end] for start, end in cuts]
        forms = {
            "cepstra and pitch": lambda w=waves: cluster([voice_rows(one) for one in w], count),
            "speaker embedding": lambda w=waves: cluster(voiceprints(options.model, w), count),
        }
        if options.segmentation:
            forms["diariser"] = lambda w=wave, c=cuts: by_diariser(w, c, count, options)
        for name, find in forms.items():
            begun = time.process_time()
            found = find()
            work[name] = work.get(name, 0.0) + time.process_time() - begun
            errors.setdefault(name, []).append(wrong([who for who, _ in lines], found))
    print(f"{len(people)} people, {len(casts)} dialogues of {count}, {LINES} lines per person,")
    print(f"{heard / len(casts) / count / LINES:.1f} s a line with its pause")
    for name, values in errors.items():
        drawn = rng.choice(values, (5000, len(values))).mean(axis=1)
        low, high = 100 * np.quantile(drawn, (0.025, 0.975))
        print(
            f"{name:18} wrong {100 * np.mean(values):5.1f} % ({low:.1f}-{high:.1f}), "
            f"error-free {sum(v < 1e-9 for v in values)} of {len(values)}, "
            f"{1000 * work[name] / heard:.0f} ms of a core for a second"
        )


if __name__ == "__main__":
    main()
