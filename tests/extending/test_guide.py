"""The guide's examples are those that are run, and they agree with its text."""

import ast
import importlib
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GUIDE = (HERE.parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
PARTS = sorted(HERE.glob("parts/*.py"))
SHOWN = re.findall(r"^`(\S+)`:\n\n```\w+\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_every_example_is_shown_in_full():
    files = [*PARTS, *HERE.glob("conf/*/*.yaml")]
    texts = {str(path.relative_to(HERE)): path.read_text(encoding="utf-8") for path in files}
    assert dict(SHOWN) == texts
    assert len(re.findall(r"^```(?:python|yaml)$", GUIDE, re.MULTILINE)) == len(texts)


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_examples_import_public_names_alone(path):
    allowed = set(re.findall(r"`(lipsync[\w.]*)`", GUIDE.split("Your files may use:")[1]))
    found = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
    for module, name in ((node.module, each.name) for node in found for each in node.names):
        if not module.startswith("lipsync"):
            continue
        assert module in allowed
        there = importlib.import_module(module)
        public = getattr(there, "__all__", None)
        defined = getattr(getattr(there, name), "__module__", module) == module
        assert not name.startswith("_")
        assert name in public if public is not None else defined, f"{module}.{name}"


def test_the_commands_name_files_that_there_are():
    for module in re.findall(r"--plugin ([\w.]+)|plugins=\[([\w.]+)\]", GUIDE):
        assert (HERE / f"{''.join(module).replace('.', '/')}.py").is_file()
    for group, name in re.findall(r"\b(experiment|model|data)=(\w+)", GUIDE):
        folders = HERE / "conf" / group, HERE.parents[1] / "conf" / group
        assert any((folder / f"{name}.yaml").is_file() for folder in folders), f"{group}={name}"
