"""Arbitrary folder names as option values, through Hydra's grammar."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from lipsync.command import quote_value

NAMES = [
    "/tmp/été", "/tmp/数据", "/tmp/take (1)", "/tmp/a,b", "/tmp/lr=1", "/tmp/it's", "/tmp/a&b",
    "/tmp/#1", '/tmp/say "hi"', "/tmp/back\\", "/tmp/a\\'b", "/tmp/[x] y", "'tis", "1_000", "1.10",
    "true", " a ", "take(1)", "{a}", "a; b", "${oc.env:HOME}/é", "/tmp/plain", "C:\\plain", "[x",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["output", "+data.root", "hydra.run.dir"])
def test_a_folder_may_have_any_name(option: str, name: str) -> None:
    parsed = OverridesParser.create().parse_override(quote_value(f"{option}={name}"))
    assert not parsed.is_sweep_override()
    assert parsed.value() == name
    again = OverridesParser.create().parse_override(quote_value(quote_value(f"{option}={name}")))
    assert again.value() == name


def test_what_hydra_takes_as_it_is_stays(tmp_path: Path) -> None:
    for argument in (
        "model=wav2lip", "lr=1e-4", "init_from=null", "output='/tmp/é'", 'output="/a,b"', "x=[a,b]",
        "filelists=[/a,/b]", "x=[é]", "model=wav2lip,lipgan", "~a", "-m", "--config-dir=/a,b",
        "output=/a\\,b", "x={a:1}",
    ):  # fmt: skip
        assert quote_value(argument) == argument
    swept = f"data.root={tmp_path}/a,{tmp_path}/b"
    assert quote_value(swept, sweeping=True) == swept
    assert quote_value(swept) == f"data.root='{tmp_path}/a,{tmp_path}/b'"
    (tmp_path / "a,b").mkdir()
    assert quote_value(f"data.root={tmp_path}/a,b", sweeping=True) == f"data.root='{tmp_path}/a,b'"


def test_a_tilde_is_home() -> None:
    home = Path.home()
    assert quote_value("data.root=~/set") == f"data.root={home}/set"
    assert quote_value("data.root=~/é") == f"data.root='{home}/é'"
