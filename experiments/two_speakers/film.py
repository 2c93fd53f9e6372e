"""Put together a film of two people and a voice off screen from clips of GRID.

    python experiments/two_speakers/film.py data/grid film.mp4

The film shows two heads side by side. While one speaks, the other listens (the first frames of its
next clip, played back and forth); in between, somebody off screen speaks. ``film.json`` records who
speaks when, ``film.en.srt`` what they say.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import cycle
from pathlib import Path

import numpy as np

from lipsync.media import VideoWriter, read_audio, read_frames
from lipsync.translation.subtitles import Cue, write_subtitles

sys.path.append(str(Path(__file__).parents[1] / "translation_quality"))
from words import grid_sentence

RATE, FPS = 16_000, 25
LISTENS = 8  # silent frames at the start of GRID's clips
TURNS = (  # who speaks (left head, right head, or voice off screen), and the clip
    ("left", "s1/bbaf2n"),
    ("right", "s4/bbaf1p"),
    ("left", "s1/lriq7s"),
    ("voice", "s31/bbac4p"),
    ("right", "s4/prap2s"),
    ("left", "s1/pwic9s"),
    ("right", "s4/sgac2a"),
    ("voice", "s31/bgix8n"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grid", type=Path)
    parser.add_argument("film", type=Path)
    args = parser.parse_args()
    truth, waves, start = [], [], 0
    clips = {key: [f for _, f in read_frames(args.grid / f"{key}.mp4")] for _, key in TURNS}
    pictures: dict[str, list[np.ndarray]] = {"left": [], "right": []}
    for number, (who, key) in enumerate(TURNS):
        count = len(clips[key])
        wave = read_audio(args.grid / f"{key}.mp4", RATE)
        waves.append(np.resize(np.pad(wave, (0, RATE)), count * RATE // FPS))
        loud = np.flatnonzero(np.abs(waves[-1]) > 0.05 * np.abs(waves[-1]).max()) / RATE
        begin, end = start / FPS + loud[0], start / FPS + loud[-1]
        text = grid_sentence(key.split("/")[1]).capitalize() + "."
        truth.append({"who": who, "start": begin, "end": end, "text": text})
        for side, frames in pictures.items():
            own = clips[key] if side == who else _listening(side, number, clips)
            frames += [frame for frame, _ in zip(cycle(own), range(count), strict=False)]
        start += count
    height, width = pictures["left"][0].shape[:2]
    with VideoWriter(
        args.film, FPS, (2 * width, height), crf=12, audio=np.concatenate(waves), sample_rate=RATE
    ) as video:
        for both in zip(*pictures.values(), strict=True):
            video.write(np.concatenate(both, axis=1))
    args.film.with_suffix(".json").write_text(json.dumps(truth, indent=1) + "\n")
    cues = [Cue(row["start"], row["end"], row["text"]) for row in truth]
    write_subtitles(args.film.with_suffix(".en.srt"), cues)


def _listening(side: str, number: int, clips: dict[str, list[np.ndarray]]) -> list[np.ndarray]:
    """The first frames of a head's next clip (or else its last one), back and forth."""
    own = [k for k, (who, _) in enumerate(TURNS) if who == side]
    following = next((k for k in own if k > number), own[-1])
    frames = clips[TURNS[following][1]][:LISTENS]
    return frames + frames[-2:0:-1]


if __name__ == "__main__":
    main()
