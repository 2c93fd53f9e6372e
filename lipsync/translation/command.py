"""The command ``lipsync translate``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from lipsync.commands import add_command, add_output_style, print_result, progress_bars

STAGES = ("recognise", "translate", "speakers", "speak", "voice", "fit", "lips")  # a test compares


def add_translate(commands: Any) -> None:
    about = "translate the speech in a video, and dub the lips to it"
    parser = add_command(commands, "translate", _translate, about)
    parser.epilog = (
        "correct transcript.json, translation.json or a WAV file in the work folder and run the "
        "same command again: only what depends on it is redone; lipsync doctor lists engines"
    )
    add = parser.add_argument
    add("video", metavar="VIDEO", help="a video with speech")
    add("-o", "--output", required=True, help="the video to write: mp4, m4v, mov or mkv")
    add("--to", metavar="LANG", help="target language, e.g. es")
    add("--from", dest="source", metavar="LANG", help="language of the video (default: detected)")
    about = "audio track to translate: a number from 0, or a language (default: the default track)"
    add("--audio-stream", metavar="N|LANG", help=about)
    about = "video track to dub, a number from 0 (default: the default track)"
    add("--video-stream", type=int, metavar="N", help=about)
    add("--config", metavar="YAML", help="a file of these options; command-line flags override it")
    add("--work", metavar="DIR", help="where the stages keep their results (default: OUTPUT.work)")
    about = "stop after recognise, translate, speakers, speak, voice or fit"
    add("--until", choices=STAGES, metavar="STAGE", help=about)
    about = "the transcript, as SRT or VTT, instead of speech recognition"
    add("--transcript", metavar="FILE", help=about)
    about = "the translation, as SRT or VTT, instead of machine translation; lines keep its times"
    add("--subtitles", metavar="FILE", help=about)
    about = "write subtitles of both languages beside the output"
    add("--write-subtitles", choices=("srt", "vtt"), help=about)
    about = "write a page for proof-reading: the videos, and the lines in both languages"
    add("--proof", metavar="PAGE", help=about)
    about = "corrections to translated lines: the file saved by the page, or LINE=TEXT"
    add("--correct", action=_ByName, metavar="FILE", help=f"{about}, repeated")
    add("--glossary", metavar="CSV", help="terms and their translations, lines of: source,target")
    add("--asr", metavar="ENGINE", help="recogniser: whisper, or whisper:MODEL (a size or folder)")
    add("--translator", metavar="ENGINE", help="apertium, nllb or m2m100, or NAME:MODEL")
    about = "number of speakers: finds out who says each line, and dubs only that person's lips"
    add("--speakers", type=int, metavar="N", help=about)
    about = "ONNX speaker embedding that distinguishes voices (default: cepstra and pitch)"
    add("--speaker-model", metavar="FILE", help=about)
    about = "voice engine: hibari, espeak or mms, or NAME:MODEL; for one speaker A=ENGINE, repeated"
    add("--tts", action=_ByName, metavar="ENGINE", help=about)
    about = "none, match, or the path of a trained voice; for one speaker A=VOICE, repeated"
    default = "(default: none; match with --speakers 2 or more)"
    add("--voice", action=_ByName, metavar="VOICE", help=f"{about} {default}")
    add("--slowest", type=float, metavar="X", help="minimum speaking-rate factor (default: 0.9)")
    add("--fastest", type=float, metavar="X", help="maximum speaking-rate factor (default: 1.4)")
    add("--background", type=float, metavar="GAIN", help="keep the original's background, 0 to 1")
    about = "loudness of the new sound by EBU R 128, e.g. -23 (default: as loud as the original)"
    add("--loudness", type=float, metavar="LUFS", help=about)
    add("--model", help="name or path of the lip generator (default: the bundled one)")
    add("--adapt", action="store_true", help="adapt the generator to the person in VIDEO first")
    add("--device", help="device of the networks, e.g. cuda (default: cpu)")
    add_output_style(parser)


class _ByName(argparse.Action):
    """One value for all speakers, or a mapping of NAME=VALUE."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: Any, value: Any, flag: Any = None
    ) -> None:
        named = re.match(r"(\w+)=", value)
        before = getattr(namespace, self.dest, {})
        if named is None or os.path.exists(value):  # noqa: PTH110 whatever its name
            if before:
                raise argparse.ArgumentError(
                    self, "with several values each needs a name, such as A=VALUE"
                )
            setattr(namespace, self.dest, value)
            return
        if not isinstance(before, dict) or named[1] in before:
            raise argparse.ArgumentError(self, f"'{value}': give each name once, such as A=VALUE")
        setattr(namespace, self.dest, {**before, named[1]: value[named.end() :]})


def _translate(
    *,
    json: bool,
    quiet: bool,
    video: str,
    output: str,
    work: str | None = None,
    config: str | None = None,
    proof: str | None = None,
    **options: Any,
) -> None:
    from lipsync.translation import read_options, translate, translate_with_page

    named = {"output": output, "work": work, "config": config, "proof": proof}
    command = ["lipsync", "translate", video, *_flags(named | options)]
    if "model" in options:
        options["dub"] = {"model": options.pop("model")}
    run = translate if proof is None else partial(translate_with_page, proof, command)
    with progress_bars(quiet, "part") as progress:
        result = run(video, output, read_options(config, options), work=work, progress=progress)
    print_result(result, json, quiet)


def _flags(options: dict[str, Any]) -> Iterator[str]:
    """Command-line arguments for a full run with these options, without corrections."""
    for name, value in options.items():
        if value is None or name in ("until", "correct"):
            continue
        flag = f"--{'from' if name == 'source' else name.replace('_', '-')}"
        for one in [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else [value]:
            yield from [flag] if one is True else [flag, str(one)]
