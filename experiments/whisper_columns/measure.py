"""What do Whisper's columns tell, and how much do they depend on where the sound is cut?

python experiments/whisper_columns/measure.py SPEECH... --seconds 30 10 6 4 2
"""

import argparse
import itertools
import time

import numpy as np

from lipsync.audio import SAMPLE_RATE
from lipsync.features import Feature, Mel, Whisper
from lipsync.media import read_audio
from lipsync.translation.engines.whisper import Whisper as Recogniser

SHIFT, CLIP = 7, 3  # seconds


def apart(a: np.ndarray, b: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Root mean square difference of each pair of columns, in standard deviations of each band."""
    return np.sqrt(np.square((a - b) / deviation).mean(axis=0))


def stability(feature: Whisper, wave: np.ndarray) -> str:
    begun = time.perf_counter()
    columns = feature.extract(wave)
    speed = len(wave) / SAMPLE_RATE / (time.perf_counter() - begun)
    count, deviation = columns.shape[1], columns.std(axis=1, keepdims=True)
    steps = apart(columns[:, 1:], columns[:, :-1], deviation)
    fading = np.arange(count - 1) % feature.chunk < feature.overlap
    fading[: feature.chunk] = False
    within, elsewhere = steps[fading], steps[~fading]
    moved = feature.extract(wave[SHIFT * SAMPLE_RATE :])
    first = SHIFT * feature.rate
    chunks = apart(moved[:, 50:-50], columns[:, first + 50 : count - 50], deviation).mean()
    cut = []
    for begin in range(10, count // feature.rate - CLIP, 5):
        clip = feature.extract(wave[begin * SAMPLE_RATE :][: CLIP * SAMPLE_RATE])
        there = columns[:, begin * feature.rate :][:, : clip.shape[1]]
        cut.append(apart(clip, there, deviation).mean())
    return (
        f"| {feature.seconds} | {speed:.0f} | {elsewhere.mean():.2f} | {within.mean():.2f} | "
        f"{chunks:.2f} | {np.mean(cut):.2f} |"
    )


def words_told_apart(feature: Feature, wave: np.ndarray, words: list) -> str:
    columns = feature.extract(wave)
    columns = columns - columns.mean(axis=1, keepdims=True)
    columns /= columns.std(axis=1, keepdims=True)
    means = []
    for word in words:
        begin, end = (int(t * feature.rate) for t in (word.start, word.end))
        means.append(columns[:, begin : max(end, begin + 1)].mean(axis=1))
    means = np.stack(means) / np.linalg.norm(means, axis=1, keepdims=True)
    said, cosines = [w.text.strip(" .,!?").lower() for w in words], means @ means.T
    pairs = list(itertools.combinations(range(len(words)), 2))
    same = np.array([cosines[i, j] for i, j in pairs if said[i] == said[j]])
    other = np.array([cosines[i, j] for i, j in pairs if said[i] != said[j]])
    auc = np.mean([(other < s).mean() for s in same])
    return f"| {feature.name} | {same.mean():.2f} | {other.mean():.2f} | {auc:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", nargs="+", help="sound or video files, in English")
    parser.add_argument("--seconds", nargs="+", type=int, default=[30], help="chunk lengths")
    options = parser.parse_args()
    wave = np.concatenate([read_audio(path, SAMPLE_RATE) for path in options.speech])
    print(f"{len(wave) / SAMPLE_RATE:.0f} s")
    for seconds in options.seconds:
        print(stability(Whisper(seconds=seconds), wave))
    transcript = Recogniser().recognise(wave, "en", lambda share: None)
    words = [word for line in transcript.segments for word in line.words]
    print(f"{len(words)} words")
    for feature in (Whisper(), Mel()):
        print(words_told_apart(feature, wave, words))


if __name__ == "__main__":
    main()
