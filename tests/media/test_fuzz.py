"""Damaged files are read, or refused in one line; experiments/fuzz tries thousands."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[2] / "experiments" / "fuzz"


@pytest.mark.slow
@pytest.mark.parametrize(("task", "count"), [("read", 92), ("dub", 46), ("texts", 60)])
def test_damage_neither_crashes_nor_hangs_nor_leaves_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, count: int
) -> None:
    monkeypatch.syspath_prepend(str(FUZZ))
    from run import fuzz

    outcomes = list(fuzz(tmp_path, task, count, first=5000))
    assert not [about for _, about in outcomes if about is not None]
    counts = Counter(outcome for outcome, _ in outcomes)
    assert sum(counts.values()) == count
    assert counts["ok"] > 0
    assert counts["refused"] > count // 3
    for name in ("run", "seeds", "mutations", "tasks"):
        sys.modules.pop(name, None)
