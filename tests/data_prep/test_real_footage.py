"""Real footage, if available: damaged files, and clips from the wild."""

from __future__ import annotations

from pathlib import Path

import pytest
from footage_media import reasons, run

BAD, WILD = Path("../shared/data/bad"), Path("../shared/data/wild")


@pytest.mark.slow
@pytest.mark.skipif(not BAD.is_dir(), reason="../shared/data/bad is absent")
def test_real_bad_files(tmp_path: Path) -> None:
    summary = run(BAD, tmp_path, stride=20)
    assert {Path(row.source).stem: row.reason for row in summary.rows} == {
        "empty": "empty",
        "text_named": "unreadable",
        "truncated": "unreadable",
        "damaged_stream": "damaged",
        "no_audio": "no_sound",
        "audio_only": "no_video",
        "no_face": "no_face",
        "ntsc_29_97": "",
        "rotated_90": "",
    }


@pytest.mark.slow
@pytest.mark.skipif(not WILD.is_dir(), reason="../shared/data/wild is absent")
def test_real_wild_files(tmp_path: Path) -> None:
    """Checked by eye: the reasons are right, and each kept clip shows a usable face."""
    looked_at = {
        "RD_Radio34_000": "",
        "WDA_KatieHill_000": "",
        "latentsync_demo1": "",
        # A speaker who turns away and back; then an out-of-focus face behind two profiles, of whom
        # one, who listens, turns to the camera.
        "lukereichold_translator_abe": " turned  turned turned turned blurred turned ",
        "pyfeat_face_noface": "silent too_short no_face",  # a frame of the cut between
        "pyfeat_no_face": "no_face",
        "retalking_face1": "",
    }
    (tmp_path / "in").mkdir()
    for path in WILD.iterdir():
        if path.stem in looked_at:
            (tmp_path / "in" / path.name).symlink_to(path.resolve())
    summary = run(tmp_path / "in", tmp_path / "out", min_seconds=0.6)
    assert {Path(source).stem: why for source, why in reasons(summary.rows).items()} == looked_at
