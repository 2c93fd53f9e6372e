"""The page of a prepared set."""

import time

import pytest

from data_prep.manifest import Row
from data_prep.options import Options
from data_prep.overlap import Count, Overlap
from data_prep.report import Report, histogram
from data_prep.splits import Splits

SPLITS = Splits(
    {}, "drawn by <video>", [Count("val", 2, 3, 40, 5.25)], [Overlap("train", "val", 1, 2, 0)],
    ["none of <b>"],
)  # fmt: skip


def written(folder, rows):
    report = Report()
    for row in rows:
        report.add(row)
    return report.write(folder, lambda source, place: None, Options(), SPLITS)


def rows(count, **more):
    return [
        Row(f"s/{i}", f"<s>/{i}.mp4", "rejected", "blurred", "too <soft>", frames=50,
            sharpness=float(count - i), **more)
        for i in range(count)
    ]  # fmt: skip


def test_the_worst_of_a_reason_come_first_and_names_are_escaped(tmp_path):
    page = written(tmp_path, rows(20)).read_text()
    order = [page.index(f"&lt;s&gt;/{i}.mp4") for i in (19, 18, 8)]
    assert order == sorted(order)
    assert "&lt;s&gt;/7.mp4" not in page  # twelve are shown
    assert "<s>" not in page
    assert "<soft>" not in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_who_is_in_which_split(tmp_path):
    page = written(tmp_path, rows(1)).read_text()
    assert "Drawn by &lt;video&gt;." in page
    assert "<td>val<td>2<td>3<td>40<td>5.2\n" in page
    assert "Warning: 1 of 2 speakers of val are also in train.\n" in page
    assert "Warning: none of &lt;b&gt;.\n" in page


def test_eight_thousand_rejected_rows_take_a_moment(tmp_path):
    began = time.perf_counter()
    written(tmp_path, rows(8000))
    assert time.perf_counter() - began < 2  # 14 s with a linear search for each row


def test_a_histogram_counts_every_value_once():
    found = histogram("offset", [-1, 0, 0, 2], whole=True)
    assert found["counts"] == [1, 2, 0, 1]
    assert found["edges"][0] == -1.5
    assert sum(histogram("level", [0.0, 1.0, 5.0])["counts"]) == 3
    assert histogram("level", [3.0, 3.0])["counts"] == [2]
    with pytest.raises(ValueError, match="empty"):
        histogram("level", [])
