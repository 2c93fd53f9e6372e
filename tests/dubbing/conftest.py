"""Tiny inputs for dubbing."""

from pathlib import Path

import pytest
from dubbing_media import make_video, tone

from lipsync.media import write_audio


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """One second of noise."""
    write_audio(tmp_path / "sound.wav", tone(1.0))
    return tmp_path / "sound.wav"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """One second, 25 frames."""
    return make_video(tmp_path / "face.mp4", 25)
