"""The page of a dub's curves: one file with frames, sound and all curves."""

import base64
import re

import cv2
import numpy as np
import pytest
from dubbing_media import make_video, tone

from lipsync.cli import main
from lipsync.dubbing.curves import Curves, read_curves, write_curves
from lipsync.errors import MediaError
from lipsync.evaluation.curves import curves_page


def written(path, numbers: int):
    at = np.arange(25) / 25
    write_curves(path, Curves(at, np.sin(np.outer(at, np.arange(1, numbers + 1)))))
    return path


def test_all_curves_are_drawn_beside_frames_and_sound(tmp_path):
    video = make_video(tmp_path / "dub & more.mp4", 25, audio=tone(1.0, loud_from=0.5))
    heights = []
    for numbers in (2, 9):
        curves = written(tmp_path / f"{numbers}.csv", numbers)
        assert main(["curves", str(curves), str(video), "-o", str(tmp_path / "page.html")]) == 0
        page = (tmp_path / "page.html").read_text()
        assert f"{numbers} numbers of" in page
        assert "dub &amp; more.mp4" in page
        data = base64.b64decode(re.search(r"data:image/png;base64,([^\"]+)", page)[1])
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        heights.append(len(picture))
        assert picture.std() > 20
    assert heights[1] - heights[0] == pytest.approx(7 * 45, abs=3)
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_what_is_no_table_of_curves_is_named(tmp_path):
    video = make_video(tmp_path / "dub.mp4", 5, audio=tone(0.2))
    for text in ("", "seconds\n0\n", "seconds,c1\n0,x\n"):
        (tmp_path / "mouth.csv").write_text(text)
        with pytest.raises(MediaError, match=r"mouth\.csv"):
            curves_page(tmp_path / "mouth.csv", video, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_inputs_are_not_replaced(tmp_path):
    video = make_video(tmp_path / "dub.mp4", 5, audio=tone(0.2))
    curves = written(tmp_path / "mouth.csv", 2)
    for output, problem in (
        (video, "input file"),
        (curves, "input file"),
        ("p.mp4", "not an HTML"),
    ):
        with pytest.raises(MediaError, match=problem):
            curves_page(curves, video, tmp_path / output)
    assert read_curves(curves).values.shape == (25, 2)
