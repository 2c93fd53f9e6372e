"""How many words do the offline engines lose, in recognition and in synthetic speech?

python experiments/translation_quality/words_heard.py --data DATA --count 10
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import librosa
import numpy as np
from words import grid_sentence, rate

from lipsync.media import read_audio
from lipsync.translation.engines.espeak import Espeak
from lipsync.translation.engines.hibari import Hibari
from lipsync.translation.engines.whisper import RATE, Whisper
from lipsync.translation.stretch import stretch


def main() -> None:
    """Print the results, also as JSON if requested."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10, help="GRID clips per speaker")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    whisper = Whisper()

    def hear(wave: np.ndarray) -> str:
        heard = whisper.recognise(wave, "en", lambda share: None)
        return " ".join(segment.text for segment in heard.segments)

    results: dict[str, float] = {}
    read = options.data / "speech" / "multilingual" / "test_en.wav"
    truth = (read.parent / "transcripts.tsv").read_text(encoding="utf-8").splitlines()
    text = next(line.split("\t")[2] for line in truth if line.startswith(read.name))
    results["recognised: a read sentence"] = rate([(text, hear(read_audio(read, RATE)))])
    sentences = [text]
    for speaker in ("s1", "s4", "s26", "s31"):
        clips = sorted((options.data / "grid" / speaker).glob("*.mp4"))
        clips = random.Random(0).sample(clips, min(options.count, len(clips)))
        pairs = [(grid_sentence(clip.stem), hear(read_audio(clip, RATE))) for clip in clips]
        results[f"recognised: GRID {speaker}, {len(clips)} clips"] = rate(pairs)
    wild = ("WDA_KatieHill_000", "RD_Radio34_000", "retalking_face1")
    sentences += [hear(read_audio(options.data / "wild" / f"{name}.mp4", RATE)) for name in wild]
    sentences.append(hear(read_audio(options.data / "speech" / "jfk.flac", RATE)))

    for name, speaker in (("hibari", Hibari()), ("eSpeak NG", Espeak())):
        spoken = [speaker.speak(sentence, "en") for sentence in sentences]
        for speed in (1.0, 1.15, 1.4):
            pairs = []
            for sentence, (wave, rate_of) in zip(sentences, spoken, strict=True):
                faster = stretch(wave, rate_of, speed)
                heard = hear(librosa.resample(faster, orig_sr=rate_of, target_sr=RATE))
                pairs.append((sentence, heard))
            results[f"round trip: {name}, {speed} times as fast"] = rate(pairs)
        if name == "hibari":  # for comparison: a phase vocoder
            pairs = []
            for sentence, (wave, rate_of) in zip(sentences, spoken, strict=True):
                faster = librosa.effects.time_stretch(wave, rate=1.4)
                heard = hear(librosa.resample(faster, orig_sr=rate_of, target_sr=RATE))
                pairs.append((sentence, heard))
            results["round trip: hibari, 1.4 times by phase vocoder"] = rate(pairs)

    for question, value in results.items():
        print(f"{question:<48} {value:7.1%}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
