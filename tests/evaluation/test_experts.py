"""An expert's accuracy by speaker and gap, on prepared clips whose offsets are known."""

import numpy as np
import pytest
from evaluation_media import Loudness, bright_and_loud

from lipsync.data.store import write_clip
from lipsync.errors import ConfigError
from lipsync.evaluation import Judge, evaluate_expert
from lipsync.models import SyncNet


def prepared(root, shifts, **info):
    for key, shift in shifts.items():
        faces, wave = bright_and_loud(75, shift, seed=sum(key.encode()))
        write_clip(root, key, faces=faces, wave=wave, info=info)
    return root


class Unit(Loudness):
    """Unit-length embeddings, like an expert's."""

    def embed_face(self, faces):
        return self.unit(super().embed_face(faces))

    def embed_audio(self, mel):
        return self.unit(super().embed_audio(mel))

    @staticmethod
    def unit(found):
        found = found - 0.5
        return found / found.norm(dim=1, keepdim=True)


def test_by_speaker_and_gap(tmp_path):
    shifts = {"anna/1": 0, "anna/2": 0, "anna/3": 0, "late/1": 4, "late/2": 4}
    root = prepared(tmp_path, shifts)
    judge = Judge(Unit(), "unit")
    report = evaluate_expert(judge, root, [*shifts, "anna/none"], threshold=0.8)
    assert report.problems == {"anna/none": report.problems["anna/none"]}
    assert "no prepared clip" in report.problems["anna/none"]
    assert (report.accuracy["anna"].n, report.accuracy["all"].n) == (3, 5)
    assert report.accuracy["anna"].mean > 0.85 > 0.6 > report.accuracy["late"].mean
    assert report.accuracy["anna"].low <= report.accuracy["anna"].mean
    assert report.offsets["late"] == {-4: 2}
    assert report.offsets["all"] == {-4: 2, 0: 3}
    assert report.fine_offset["late"] == pytest.approx(-4, abs=0.4)
    assert report.as_dict()["fine_offset"]["anna"] == pytest.approx(0, abs=0.4)
    assert report.within_one["all"].mean == pytest.approx(0.6)
    by_gap = report.by_gap["anna"]
    assert by_gap[1].mean < by_gap[5].mean  # neighbours are hard to tell apart
    # The speaker whose sound is four frames late counts as in sync exactly at that gap.
    lines = report.table().splitlines()
    assert "threshold 0.800, fixed on other clips" in lines[0]
    assert "median offset" in lines[1]
    assert [line.split()[0] for line in lines[3:]] == ["anna", "late", "all"]
    assert report.as_dict()["accuracy"]["all"]["n"] == 5


def test_the_accuracy_is_that_of_all_pairs(tmp_path):
    """Against a brute-force count over all windows of all clips."""
    root = prepared(tmp_path, {"a/1": 0, "a/2": 1})
    judge = Judge(Unit(), "unit")
    report = evaluate_expert(judge, root, ["a/1", "a/2"], threshold=0.7, min_gap=5)
    hits, rejections = [], []
    from lipsync.data.store import open_clip

    for key in ("a/1", "a/2"):
        clip = open_clip(root, key)
        video, audio = judge.embed(clip.faces, clip.wave)
        cosine = (video @ audio.T).numpy()
        gap = np.abs(np.subtract.outer(np.arange(len(cosine)), np.arange(len(cosine))))
        hits += list(np.diag(cosine) >= 0.7)
        rejections += list(cosine[(gap >= 5) & (gap <= 15)] < 0.7)
    assert report.accuracy["all"].mean == pytest.approx(
        (np.mean(hits) + np.mean(rejections)) / 2, abs=1e-6
    )


@pytest.mark.parametrize("window", [9, 15])
def test_longer_windows(tmp_path, window):
    shifts = {"anna/1": 0, "anna/2": 0, "late/1": 4}
    root = prepared(tmp_path, shifts)
    report = evaluate_expert(Judge(Unit(window), "unit"), root, shifts, threshold=0.8)
    assert report.offsets == {"anna": {0: 2}, "late": {-4: 1}, "all": {-4: 1, 0: 2}}
    assert report.accuracy["anna"].mean > 0.85 > report.accuracy["late"].mean
    tiny = Judge(SyncNet(width=0.1, depth=0, window=window))  # faces are resized to its 96 px
    assert 0 <= evaluate_expert(tiny, root, ["anna/1"]).accuracy["all"].mean <= 1


def test_a_set_of_another_framing_is_refused(tmp_path):
    root = prepared(tmp_path, {"a/1": 0}, framing="aligned")
    with pytest.raises(ConfigError, match=r"is framed 'aligned', but judge u expects 'box'; use"):
        evaluate_expert(Judge(Unit(), "u"), root, ["a/1"])
    root = prepared(tmp_path, {"a/1": 0}, framing="box")
    assert evaluate_expert(Judge(Unit()), root, ["a/1"]).offsets["all"] == {0: 1}


def test_nothing_to_score(tmp_path):
    with pytest.raises(
        ConfigError, match="none of 1 clips could be scored; the first: a/1: no prepared"
    ):
        evaluate_expert(Judge(Unit()), tmp_path, ["a/1"])
