"""How many words survive time-stretching? Our WSOLA, ffmpeg and Rubber Band.

    pip install pylibrb
    python experiments/kept_libraries/stretching.py --data DATA

The texts of ``experiments/translation_quality`` are synthesised, stretched, recognised by tiny.en
and compared with the text. GRID's recorded sentences are stretched in the same way, and recognised
with a prompt that describes their form.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import librosa
import numpy as np
from av.filter import Graph

from lipsync.media import read_audio
from lipsync.translation.engines.espeak import Espeak
from lipsync.translation.engines.hibari import Hibari
from lipsync.translation.engines.whisper import RATE, Whisper
from lipsync.translation.stretch import stretch

sys.path.append(str(Path(__file__).parents[1] / "translation_quality"))
from words import errors, grid_sentence

SPEEDS = (0.9, 1.15, 1.4)
Stretcher = Callable[[np.ndarray, int, float], np.ndarray]


def filtered(name: str, option: str) -> Stretcher:
    """An audio filter of ffmpeg."""

    def run(wave: np.ndarray, rate: int, speed: float) -> np.ndarray:
        graph = Graph()
        about = f"sample_rate={rate}:sample_fmt=flt:channel_layout=mono:time_base=1/{rate}"
        steps = (graph.add("abuffer", about), graph.add(name, option.format(speed)))
        graph.link_nodes(*steps, graph.add("abuffersink")).configure()
        frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "flt", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        graph.push(frame)
        graph.push(None)
        parts = []
        while True:
            try:
                parts.append(graph.pull().to_ndarray()[0])
            except (BlockingIOError, EOFError, av.error.EOFError):
                return np.concatenate(parts)

    return run


def rubber_band(finer: bool) -> Stretcher:
    """Rubber Band's engine R3 (``finer``) or R2, offline."""

    def run(wave: np.ndarray, rate: int, speed: float) -> np.ndarray:
        from pylibrb import Option, RubberBandStretcher

        engine = Option.ENGINE_FINER if finer else Option.ENGINE_FASTER
        options = Option.PROCESS_OFFLINE | engine | Option.THREADING_NEVER
        band = RubberBandStretcher(rate, 1, options, initial_time_ratio=1 / speed)
        given = wave[None].astype(np.float32)
        band.study(given, True)
        band.set_max_process_size(len(wave))
        band.process(given, True)
        parts = []
        while not band.is_done():
            parts.append(band.retrieve_available()[0])
        return np.concatenate(parts)

    return run


SYSTEMS: dict[str, Stretcher] = {
    "WSOLA (lipsync)": stretch,
    "ffmpeg atempo": filtered("atempo", "{:.4f}"),
    "Rubber Band R2": rubber_band(False),
    "Rubber Band R3": rubber_band(True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=12, help="clips per GRID speaker")
    args = parser.parse_args()
    whisper = Whisper()

    def hear(wave: np.ndarray, rate: int) -> str:
        wave = librosa.resample(wave, orig_sr=rate, target_sr=RATE)
        return " ".join(s.text for s in whisper.recognise(wave, "en", lambda _: None).segments)

    texts = (Path(__file__).parent / "texts.txt").read_text().splitlines()
    sets: dict[str, list[tuple[str, np.ndarray, int]]] = {}
    for name, engine in (("hibari", Hibari()), ("eSpeak NG", Espeak())):
        sets[name] = [(text, *engine.speak(text, "en")) for text in texts]
    clips = []
    for speaker in ("s1", "s4", "s31"):
        paths = sorted((args.data / "grid" / speaker).glob("?????[anps].mp4"))
        clips += random.Random(0).sample(paths, min(args.clips, len(paths)))
    sets["GRID"] = [(grid_sentence(p.stem), read_audio(p, 24_000), 24_000) for p in clips]
    for name, rows in sets.items():
        plain = [errors(text, hear(wave, rate)) for text, wave, rate in rows]
        count = sum(of for _, of in plain)
        print(f"{name}: {len(rows)} waves, {count} words; as spoken {_rate(plain)}")
        for system, run in SYSTEMS.items():
            cells, taken, spoken = [], 0.0, 0.0
            for speed in SPEEDS:
                found = []
                for text, wave, rate in rows:
                    began = time.perf_counter()
                    made = run(wave, rate, speed)
                    taken, spoken = taken + time.perf_counter() - began, spoken + len(wave) / rate
                    found.append(errors(text, hear(made, rate)))
                cells.append(_rate(found))
            print(
                f"  {system:<20}" + "".join(cells) + f"{1000 * taken / spoken:8.1f} ms/s",
                flush=True,
            )


def _rate(found: list[tuple[int, int]]) -> str:
    """Word error rate, with half the width of a 95 % bootstrap interval over waves."""
    counts = np.array(found)
    drawn = counts[np.random.default_rng(0).integers(0, len(counts), (1000, len(counts)))].sum(1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return f"{counts[:, 0].sum() / counts[:, 1].sum():9.1%} ±{(high - low) / 2:.1%}"


if __name__ == "__main__":
    main()
