"""Every command in README, CONTRIBUTING, docs/ and experiments/ is parsed by its program."""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser

from lipsync import cli
from lipsync.command import quote_value

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
EXPERIMENTS = sorted(ROOT.glob("experiments/*/README.md"))
INDENTED = re.compile(r"(?:^    \S.*\n)(?:^(?:    .*)?\n)*", re.MULTILINE)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
NOT_RUN = {  # other programs, and why a test does not start them
    "source": "a shell's own",
    "export": "a shell's own",
    "mkdir": "a shell's own",
    "cp": "a shell's own",
    "cat": "a shell's own",
    "for": "a shell's own",
    "apt": "changes the machine",
    "mkdocs": ".ci/run builds the site",
    "pytest": "is what runs this",
    "ruff": ".ci/run runs it",
    "lint-imports": ".ci/run runs it",
    "mypy": ".ci/run runs it",
    "pre-commit": "installs a hook",
    "tensorboard": "a server",
    "docker": "not everywhere",
    "hf": "logs in to the hub",
    "ssh": "needs another machine",
}


def commands(page: Path) -> list[str]:
    """The commands of a page's shell blocks and of experiments' indented blocks, one per line."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^```(?:sh|bash|shell|console)\n(.*?)^```$", text, re.M | re.S)
    if page in EXPERIMENTS:
        blocks += INDENTED.findall(re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines = [line.strip() for line in lines if line.split("#")[0].strip()]
    return [part for line in lines for part in line.split(" && ")]


COMMANDS = [
    pytest.param(command, page, id=f"{page.parent.name}/{page.stem}: {command[:60]}")
    for page in [*PAGES, *EXPERIMENTS]
    for command in commands(page)
]


@pytest.fixture(autouse=True)
def _no_hydra_left_behind():
    yield
    HydraConfig.instance().cfg = None


@pytest.mark.parametrize(("command", "page"), COMMANDS)
def test_a_command_is_understood(command: str, page: Path):
    words = shlex.split(command, comments=True)
    program = words[0].rpartition("/")[2] if words[0].startswith(".venv/") else words[0]
    match program, words[1:]:
        case "lipsync", ["train", *rest]:
            composed(rest)
        case "lipsync", ["prepare", *rest]:
            prepared(rest)
        case "lipsync" | "eval", rest:
            parsed(shlex.split(rest[0].strip("$()"))[1:] if program == "eval" else rest)
        case "python" | "srun" | "torchrun", rest if "train.py" in rest:
            composed(rest[rest.index("train.py") + 1 :])
        case "python", ["-m", "lipsync.train", *rest]:
            composed(rest)
        case "python", ["-m", "data_prep", *rest]:
            prepared(rest)
        case "python" | "python3.11", ["-m", module, *_]:
            assert importlib.util.find_spec(module) is not None
        case "python", [script, *_]:
            assert (ROOT / script).is_file()
        case "pip", ["install", *rest]:
            installed(rest)
        case script, _ if "/" in script:
            assert (ROOT / script).is_file()
        case _:
            assert program in NOT_RUN, f"{page.name}: nothing here checks {command!r}"


@pytest.mark.parametrize(
    "wrong",
    [
        "lipsync dub face.mp4 speech.wav",
        "lipsync dub face.mp4 speech.wav -o dubbed.mp4 --speker left",
        "python train.py model=wav3lip",
        "lipsync train model=wav3lip",
        "lipsync prepare sauce=FOOTAGE output=data/mine",
        "python train.py model.loss.sinc=1",
        "python train.py -m launcher=joblib trainer.gpu=1,2",
        "python -m data_prep sauce=FOOTAGE output=data/mine",
        "python -m lipsync.trainning.sweep runs",
        "pip install -e '.[translation]'",
        "python experiments/first/run.py",
        "ffmpeg -i face.mp4",
    ],
)
def test_a_misspelt_command_is_not(wrong: str):
    with pytest.raises((Exception, SystemExit)):
        test_a_command_is_understood(wrong, Path("page.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_examples_import_what_there_is(page: Path):
    if page.stem == "extending":
        pytest.skip("its examples are run by tests/extending")
    blocks = re.findall(
        r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    for node in ast.walk(ast.parse("\n".join(blocks))):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, each.name) for each in node.names)


def test_every_extra_is_described():
    table = (ROOT / "docs/install.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == set(EXTRAS)


def parsed(words: list[str]) -> argparse.Namespace:
    words = [word if word != "NAME" else "judge-open" for word in words]
    return cli._parser().parse_args(words)


def composed(words: list[str]) -> None:
    """The options of ``train.py``; for a sweep, those of its first point."""
    overrides = [f"hydra.searchpath=[file://{ROOT / 'tests/extending/conf'}]"]
    if "--config-dir" in words:
        at = words.index("--config-dir")
        words = words[:at] + words[at + 2 :]
    sweeping = "-m" in words
    if "launcher=ray" in words:
        reason = "the extra sweep-ray does not go with the pinned versions"
        pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason=reason)
    for word in (quote_value(word, sweeping) for word in words if word != "-m"):
        override = OverridesParser.create().parse_override(word)
        if override.is_sweep_override():
            word = f"{override.get_key_element()}={next(override.sweep_string_iterator())}"
        overrides.append(word)
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        compose("train", overrides=overrides, return_hydra_config=True)


def prepared(words: list[str]) -> None:
    name = words[0] if words[:1] in (["plan"], ["convert"]) else "prepare"
    words = words[name != "prepare" :]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose(name, overrides=[quote_value(word) for word in words])
    assert "output" in config


def installed(words: list[str]) -> None:
    for extras in re.findall(r"\[([\w,-]+)\]", " ".join(words)):
        assert not set(extras.split(",")) - set(EXTRAS)
