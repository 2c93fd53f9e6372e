"""Inline code on pages: commands parse, even if incomplete; options and keys exist."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import test_documented_commands as blocks
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from lipsync import cli

COMMAND = re.compile(r"(?:lipsync|python|pip|torchrun|mkdocs|tensorboard|docker|hf|ssh) ")
KEY = re.compile(
    r"\+?((?:model|data|trainer|callbacks|splits)\.[\w.]+)(?:=\S*)?|([a-z_@.]+)=[^\"]*"
)
MODELS = (
    "wav2lip", "lipgan", "lipscode", "syncnet", "long_syncnet", "lipreader", "occlusion", "judge",
    "cyclegan_vc",
)  # fmt: skip
NO_KEYS = {
    "model.augment.sound.loudness.gain",  # of the feature in docs/extending.md
    "model.card",  # Python
    "model.safetensors",  # a file
}


def spans(page: Path) -> list[str]:
    """The distinct inline code spans of a page."""
    text = re.sub(r"^```.*?^```$|^    .*?$", "", page.read_text("utf-8"), flags=re.M | re.S)
    return list(dict.fromkeys(" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)))


SPANS = {page: spans(page) for page in [*blocks.PAGES, *blocks.EXPERIMENTS]}
COMMANDS = [
    pytest.param(span, page, id=f"{page.parent.name}/{page.stem}: {span[:60]}")
    for page, found in SPANS.items()
    for span in found
    if COMMAND.match(span)
]


@pytest.mark.parametrize(("command", "page"), COMMANDS)
def test_a_command_in_the_text_is_understood(command: str, page: Path):
    match shlex.split(command):
        case ["lipsync", "prepare", *words] | ["python", "-m", "data_prep", *words]:
            blocks.prepared([*words, "output=data/mine"])
        case ["lipsync", name, *words] if name != "train":
            partly(name, words)
        case _:
            whole = command.replace("experiment=NAME", "experiment=grid_expert")
            blocks.test_a_command_is_understood(whole, page)


@pytest.mark.parametrize("wrong", ["lipsync dubb", "lipsync dub --mood happy", "lipsync --hlep"])
def test_a_misspelt_one_is_not(wrong: str):
    with pytest.raises((KeyError, SystemExit)):
        test_a_command_in_the_text_is_understood(wrong, Path("page.md"))


@pytest.mark.parametrize("page", blocks.PAGES, ids=lambda page: page.stem)
def test_options_in_the_text_exist(page: Path):
    for span in SPANS[page]:
        if span.startswith("--"):
            given = set(re.findall(r"(?<!\S)--[a-z-]+", span))
            assert given <= {*options(), "--config-dir"}, f"{page.name}: {span}"


@pytest.mark.parametrize("page", blocks.PAGES, ids=lambda page: page.stem)
def test_keys_in_the_text_exist(page: Path):
    for span in SPANS[page]:
        words = [KEY.fullmatch(word) for word in span.split()]
        if all(words):
            given = {word[1] or word[2] for word in words} - NO_KEYS
            assert given <= keys(), f"{page.name}: {span}"


def commands() -> dict[str, argparse.ArgumentParser]:
    return cli._parser()._subparsers._group_actions[0].choices


def partly(name: str, words: list[str]) -> None:
    """Parse a command that may be incomplete, even without the value of its last option."""
    if name in cli._parser()._option_string_actions:
        return
    parser = commands()[name]
    if words and words[-1] in parser._option_string_actions:
        words = words[:-1]
    for action in parser._actions:
        action.required = False
        if not action.option_strings:
            action.nargs, action.choices = "*", None
    parser.parse_args(words)


@cache
def options() -> set[str]:
    return {flag for parser in commands().values() for flag in parser._option_string_actions}


@cache
def keys() -> set[str]:
    """Of all configurations, groups of train.yaml included."""
    found = {path.name for path in (blocks.ROOT / "conf").iterdir() if path.is_dir()}
    with initialize_config_dir(str(blocks.ROOT / "conf"), version_base="1.3"):
        for name in ("prepare", "plan", "convert"):
            found |= set(flat(compose(name)))
        for model in MODELS:
            found |= set(flat(compose("train", [f"model={model}", "data=folder"])))
        found |= set(flat(compose("train", ["experiment=adapt"])))
    return found | {f"feature@model.{part}.feature" for part in ("generator", "expert")}


def flat(config: DictConfig, start: str = "") -> Iterator[str]:
    for key, value in OmegaConf.to_container(config).items():
        yield f"{start}{key}"
        if isinstance(value, dict):
            yield from flat(OmegaConf.create(value), f"{start}{key}.")
