"""A talk to translate, and its output path."""

from __future__ import annotations

from pathlib import Path

import pytest
from translation_media import make_talk


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_talk(tmp_path / "talk.mp4")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.mp4"
