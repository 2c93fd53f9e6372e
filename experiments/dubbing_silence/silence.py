"""Does the mouth rest in pauses? Dubs with and without the noise gate.

    python experiments/dubbing_silence/silence.py data/grid FOOTAGE --clips 6

The first frame of each test face, as a still picture, is dubbed with another clip's speech, into
which a pause of one second is inserted, with a hiss throughout. So all motion is a response to the
sound. Prints the mean change of the lower half of the face from frame to frame, in grey levels out
of 255, in the pause (except 0.2 s at either end) and outside it.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.data.store import read_split
from lipsync.dubbing import dub_frames
from lipsync.faces.framing import Framing
from lipsync.media import read_audio, read_frames, write_audio
from lipsync.metrics.quality import luma, motion
from lipsync.windows import lower_half

HISS = 0.002  # relative to full scale: -54 dB
PAUSE = (1.2, 2.2)  # seconds
EDGE = 0.2
SIDE = 96


def with_pause(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut 0.3 s of initial silence, insert the pause, and add the hiss."""
    start, at = round(0.3 * SAMPLE_RATE), round((0.3 + PAUSE[0]) * SAMPLE_RATE)
    pause = np.zeros(round((PAUSE[1] - PAUSE[0]) * SAMPLE_RATE), np.float32)
    wave = np.concatenate([wave[start:at], pause, wave[at:]])[: 3 * SAMPLE_RATE]
    return wave + HISS * rng.standard_normal(len(wave)).astype(np.float32)


def movement(pictures: list[np.ndarray]) -> tuple[float, float]:
    """Mean motion in the pause, and outside it."""
    mouths = [lower_half(luma(picture)) for picture in pictures]
    steps = np.array([motion(a, b) for a, b in pairwise(mouths)])
    seconds = (np.arange(len(steps)) + 1) / 25
    inside = (seconds > PAUSE[0] + EDGE) & (seconds < PAUSE[1] - EDGE)
    outside = (seconds < PAUSE[0]) | (seconds > PAUSE[1])
    return float(steps[inside].mean()), float(steps[outside].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="prepared GRID, for its split list")
    parser.add_argument("footage", type=Path, help="the videos that it was prepared from")
    parser.add_argument("--model", default="wav2lip-gan-grid")
    parser.add_argument("--clips", type=int, default=6)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    keys = read_split(options.root, "test")
    keys = [keys[i] for i in rng.permutation(len(keys))[: 2 * options.clips]]
    found: dict[str, list[tuple[float, float]]] = {"gate": [], "no gate": []}
    with tempfile.TemporaryDirectory() as folder:
        sound, still = Path(folder) / "voice.wav", Path(folder) / "face.png"
        for face, voice in zip(keys[::2], keys[1::2], strict=True):
            write_audio(sound, with_pause(read_audio(options.footage / f"{voice}.mp4"), rng))
            _, picture = next(iter(read_frames(options.footage / f"{face}.mp4")))
            cv2.imwrite(str(still), picture[..., ::-1])
            for name, gate in (("gate", True), ("no gate", False)):
                frames = list(dub_frames(still, sound, model=options.model, gate=gate))
                crops = [Framing.cut(f.picture, f.transforms[0], SIDE) for f in frames]
                found[name].append(movement(crops))
            print(f"{face} + {voice}: {found['gate'][-1]} {found['no gate'][-1]}", flush=True)
    print("\n| | in the pause | outside |\n| --- | ---: | ---: |")
    for name, values in found.items():
        inside, outside = np.mean(values, axis=0)
        print(f"| {name} | {inside:.2f} | {outside:.2f} |")


if __name__ == "__main__":
    main()
