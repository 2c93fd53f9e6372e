"""Reports: means, intervals, files that agree with the table, comparisons."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from lipsync.errors import ConfigError
from lipsync.evaluation import Report, Row, compare, html_report, load_report

REPORT = Report(
    [
        Row("generated", "g/1.mp4", 71, 7.25, 5.5, -15, -14.63, picture={"seam": 1.25}),
        Row("generated", "g/2,3.mp4", 0, problem="no face found"),
        Row("generated", "g/4.mp4", 71, 7.75, 4.5, 15, picture={"seam": 1.75}),
        Row("generated", "<td><small>g/5.mp4", 71, 7.5, 5.0, 1),
        Row("real", "r/1.mp4", 71, 6.75, 7.0, 0, -0.04),
    ],
    judge="expert",
    protocol="p-1: how; q-2: how",
    vshift=15,
    settings={"model": "<m>"},
)


def made(distances, judge="expert"):
    rows = [Row("generated", f"{k}", 9, d, 5.0, 0) for k, d in enumerate(distances)]
    return Report([*rows, Row("real", "r", 9, 1.0, 5.0, 0)], judge, "p-1: how", 15)


def test_overall_numbers():
    found = REPORT.overall("generated")
    assert (found.n, found.left_out, found.median_offset) == (3, 1, 1)
    assert found.within_one.mean == pytest.approx(1 / 3)  # a mean of offsets would give 0.33
    assert (found.distance.mean, found.confidence.mean) == (7.5, 5.0)
    assert found.distance.low < 7.5 < found.distance.high
    assert (found.picture["seam"].mean, found.picture["seam"].n) == (1.5, 2)
    assert np.isnan(REPORT.overall("real").distance.low)  # no interval for a single video


def test_the_table_ends_with_the_sets_under_each_other():
    lines = REPORT.table().splitlines()
    assert lines[0].startswith("judge: expert (p-1, q-2); distance by expert, lower is")
    head = ["set", "video", "n", "distance", "confidence", "offset", "fine_offset", "problem"]
    assert lines[1].split() == head
    assert lines[3].split()[-2:] == ["-15", "-14.6"]
    assert lines[6].split()[-2:] == ["1", "-"]  # a report in the old format
    assert lines[3].index("7.250") == lines[5].index("7.750")  # aligned
    assert "no face found" in lines[4]
    assert lines[-4].split()[:3] == ["set", "n", "left"]
    assert lines[-2].split()[:4] == ["generated", "3", "1", "7.500"]
    of_real = ["real", "1", "0", "6.750", "7.000", "0", "0.0", "1.00", "[0.21,", "1.00]"]
    assert lines[-1].split() == of_real  # a share has an interval, a mean of one value does not
    brief = REPORT.table(videos=False).splitlines()
    assert brief == [lines[0], *lines[-8:]]
    assert [line.split() for line in brief[1:5:2]] == [
        ["pictures", "generated", "real"],
        ["seam", "1.500", "-"],
    ]


def test_files_hold_what_the_table_shows(tmp_path):
    REPORT.save(tmp_path / "new")
    with (tmp_path / "new" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == [row.video for row in REPORT.rows]
    assert (rows[1]["distance"], rows[0]["seam"], rows[0]["psnr"]) == ("", "1.25", "")
    content = json.loads((tmp_path / "new" / "scores.json").read_text())
    assert content["overall"]["real"]["confidence"] == {
        "mean": 7.0, "low": None, "high": None, "n": 1,
    }  # fmt: skip
    assert content["overall"]["generated"]["left_out"] == 1
    assert content["overall"]["generated"]["median_fine_offset"] == -14.63
    assert (rows[0]["fine_offset"], content["videos"][0]["fine_offset"]) == ("-14.63", -14.63)
    assert content["videos"][1]["problem"] == "no face found"
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["scores.csv", "scores.json"]
    assert load_report(tmp_path / "new") == REPORT
    assert load_report(tmp_path / "new" / "scores.json") == REPORT


def test_lse_is_what_syncnet_v2_alone_gives():
    published = replace(REPORT, protocol="wild-1: how; syncnet_v2-1: how")
    assert "LSE-D, lower is better; LSE-C, higher is better" in published.title()
    assert "LSE-D" in html_report(published)
    for text in (REPORT.table(), html_report(REPORT)):
        assert "LSE" not in text
        assert "distance by expert" in text


def test_real_videos_out_of_sync_are_told_before_any_number(tmp_path):
    assert REPORT.warning == ""
    late = replace(REPORT, rows=[*REPORT.rows, *(
        Row("real", f"r/{k}.mp4", 71, 6.75, 0.07, -7) for k in range(3)
    )])  # fmt: skip
    assert late.table().startswith(
        "WARNING: expert does not find the real videos in sync: the offset of 25% of 4 is within "
        "1 frame of 0, the median is -7. Its scores"
    )
    late.save(tmp_path)
    assert (tmp_path / "scores.json").read_text().startswith('{\n "warning": "WARNING: expert')
    page = html_report(late)
    assert page.index("<p class=warning>WARNING") < page.index("class=cards")
    assert "class=warning" not in html_report(REPORT)


def test_real_videos_that_fit_another_speech_as_well_are_told_too():
    def beside(distances):
        other = [Row("copied_reference", f"{k}", 9, d, 5.0, 3) for k, d in enumerate(distances)]
        real = [Row("real", f"{k}", 9, 1.0, 5.0, 0) for k in range(2)]
        return Report([*other, *real], "expert", "p-1: how", 15).warning

    assert beside([1.2, 1.1]) == beside([1.0, 1.1]) == ""
    assert beside([1.0, 1.0]) == ""  # every pair has its own speech
    assert "distance is 1.000 with their own speech, 0.950 with another" in beside([0.8, 1.1])


def test_what_is_no_report(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_report(tmp_path)
    (tmp_path / "scores.json").write_text("[1]")
    with pytest.raises(ConfigError, match="is not a report"):
        load_report(tmp_path)


def test_a_set_without_scores_is_an_error():
    with pytest.raises(ConfigError, match="none of 0 real videos could be scored"):
        Report(REPORT.rows[:3], "e", "p", 15).check()
    REPORT.check()


def test_paired_comparison_sees_what_two_tables_hide():
    rng = np.random.default_rng(0)
    hard = rng.uniform(6, 9, 30)
    better = hard - 0.1 + rng.normal(0, 0.05, 30)
    first, second = made(hard), made(better)
    a, b = first.overall("generated").distance, second.overall("generated").distance
    assert a.low < b.mean < a.high  # the two intervals overlap
    text = compare(first, second)
    line = next(line for line in text.splitlines() if line.startswith("distance"))
    assert line.endswith("clear")
    assert line.split()[1:3] == ["30", f"{b.mean - a.mean:.3f}"]
    same = compare(first, first).splitlines()
    distance = next(line for line in same if line.startswith("distance"))
    assert distance.endswith("no clear difference")
    with pytest.raises(ConfigError, match="differ in their judge"):
        compare(first, made(hard, judge="another"))


def test_the_page_stands_alone(tmp_path):
    clip = tmp_path / "c.mp4"
    clip.write_bytes(b"film")
    page = html_report(REPORT, [(clip, "the <best>")], "paired")
    assert page == html_report(REPORT, [(clip, "the <best>")], "paired")  # only the numbers count
    for outside in ('src="http', "<link", "<script", "@import"):
        assert outside not in page
    assert page.count("href=") == page.count('href="#')  # parts of the plots
    assert "data:video/mp4;base64,ZmlsbQ==" in page
    assert "&lt;m&gt;" in page
    assert "&lt;td&gt;&lt;small&gt;g/5.mp4" in page
    assert "the &lt;best&gt;" in page
    assert page.count("<svg") == 2  # no pairs with another speech here
    assert "no face found" in page


def test_likeness_is_compared_on_faces_with_their_own_speech():
    def report(psnr):
        rows = [Row("generated", name, 9, 1.0, 5.0, 0) for name in "ab"]
        own = [
            Row("own_speech", name, 9, 1.0, 5.0, 0, picture={"psnr": psnr + k})
            for k, name in enumerate("ab")
        ]
        own_pair = Row("generated", "c", 9, 1.0, 5.0, 0, picture={"psnr": psnr})
        return Report([*rows, own_pair, *own], "expert", "p-1: how", 15)

    lines = compare(report(30.0), report(31.5)).splitlines()
    psnr = next(line for line in lines if line.startswith("psnr"))
    assert psnr.split()[1:3] == ["3", "1.500"]
