"""Corpora as users have them on disk, as small trees of mostly empty files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from footage_media import moving, run, video

from data_prep.clip_files import clip_metadata
from data_prep.options import Options
from data_prep.readers.corpus_clip import seconds
from data_prep.readers.lrs import transcript
from data_prep.scan import Source, scan
from data_prep.sharded import prepare_shards
from lipsync.data.store import open_clip, open_set
from lipsync.errors import ConfigError

LRS3 = """\
Text:  AND WE LOOK
Conf:  4
Ref:  00j9bKdiOjk

FRAME \tX \tY \tW \tH
000000 \t0.392 \t0.231 \t0.220 \t0.410

WORD START END ASDSCORE
AND 0.04 0.21 3.2
WE 0.22 0.35 4.1
LOOK 0.40 0.80 5
"""


def write(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def found(root: Path, reader: str) -> dict[str, tuple]:
    return {one.key: (one.file, one.span, one.about) for one in scan(root, reader)}


def test_hdtf_as_whole_videos_with_times_and_as_clips(tmp_path: Path) -> None:
    write(tmp_path / "HDTF_dataset/RD_annotion_time.txt", "Radio11.mp4 00:30-01:00 01:30-02:30\n")
    write(tmp_path / "HDTF_dataset/WDA_annotion_time.txt", "KatieHill1.mp4 0:01:05-01:07.5\n\n")
    for name in ("Radio11.mp4", "WDA_KatieHill1_000.mp4", "WDA_KatieHill1.mp4", "holiday.mp4"):
        write(tmp_path / "videos" / name)
    assert found(tmp_path, "hdtf") == {
        "RD_Radio11/RD_Radio11/000": ("videos/Radio11.mp4", (30, 60), {}),
        "RD_Radio11/RD_Radio11/001": ("videos/Radio11.mp4", (90, 150), {}),
        "WDA_KatieHill/WDA_KatieHill1/000": ("videos/WDA_KatieHill1_000.mp4", None, {}),
    }
    names = [one.name for one in scan(tmp_path, "hdtf")]
    assert names[:2] == ["videos/Radio11.mp4#t=30,60", "videos/Radio11.mp4#t=90,150"]
    write(tmp_path / "HDTF_dataset/WRA_annotion_time.txt", "X.mp4 soon-later")
    with pytest.raises(ConfigError, match=r"WRA_annotion_time.txt: 'X.mp4 soon-later': 'soon' is"):
        scan(tmp_path, "hdtf")
    with pytest.raises(ConfigError, match=r"there is no \*_annotion_time.txt below"):
        scan(tmp_path / "videos", "hdtf")


def test_voxceleb2(tmp_path: Path) -> None:
    write(tmp_path / "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4")
    write(tmp_path / "other/clip.mp4")
    file = "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4"
    assert found(tmp_path, "voxceleb2") == {"id00012/21Uxsk56VDQ/00001": (file, None, {})}


def test_lrs_with_what_is_said(tmp_path: Path) -> None:
    for folder, text in (("trainval", "Text:  BUT YES\nConf:  5\n"), ("pretrain", LRS3)):
        write(tmp_path / folder / "00j9bKdiOjk/50001.mp4")
        write(tmp_path / folder / "00j9bKdiOjk/50001.txt", text)
    words = [["AND", 0.04, 0.21], ["WE", 0.22, 0.35], ["LOOK", 0.4, 0.8]]
    pretrain = {"text": "AND WE LOOK", "video": "00j9bKdiOjk", "words": words}
    sources = found(tmp_path, "lrs")
    assert {key: about for key, (_, _, about) in sources.items()} == {
        "00j9bKdiOjk/50001": {"text": "BUT YES"},
        "00j9bKdiOjk/pretrain-50001": pretrain,
    }
    assert sorted(sources) == sorted(one.key for one in scan(tmp_path))
    assert transcript(["WORD START END ASDSCORE", "NO 0.1 soon 1"]) == {"words": []}


def test_talkvid_as_its_script_fetches_it_and_as_whole_videos(tmp_path: Path) -> None:
    def record(video: str, start: float, end: float, **info: str) -> dict:
        info = {"Video Link": f"https://www.youtube.com/watch?v={video}", **info}
        name = f"video{video}-{start}"
        return {"id": name, "start-time": start, "end-time": end, "info": info}

    about = {"Person ID": "597", "Language": "English"}
    records = [
        record("Tr6MMsoWAog", 0.1, 5.141666, **about), record("Tr6MMsoWAog", 9, 12, **about),
        record("whole-ABC_1", 2, 4), record("by_its-id_1", 2, 4), {"id": "broken"},
    ]  # fmt: skip
    write(tmp_path / "clips.json", json.dumps(records))
    write(tmp_path / "json_logs/one.json", "{}")
    clip = "Tr6MMsoWAog/Tr6MMsoWAog_001_0.100_5.142.mp4"
    for name in (clip, "whole-ABC_1.mp4", "videoby_its-id_1-2.mp4", "other_video.mp4"):
        write(tmp_path / name)
    assert found(tmp_path, "talkvid") == {
        "person-597/Tr6MMsoWAog/0.100-5.142": (clip, None, {"language": "English"}),
        "whole-ABC_1/whole-ABC_1/2.000-4.000": ("whole-ABC_1.mp4", (2, 4), {}),
        "by_its-id_1/by_its-id_1/2.000-4.000": ("videoby_its-id_1-2.mp4", None, {}),
    }
    write(tmp_path / "more.json", "[{")
    with pytest.raises(ConfigError, match=r"more.json: cannot be read as JSON"):
        scan(tmp_path, "talkvid")


def test_avspeech_as_clips_and_as_whole_videos(tmp_path: Path) -> None:
    rows = ["0e4UkWtnkGI,3.0,7.5,0.4,0.3", "0e4UkWtnkGI,9.0,12.0,0.5,0.3"]
    rows += [rows[1], "-_abcdefghi,1,4,0.5,0.5"]  # a duplicate
    write(tmp_path / "avspeech_train.csv", "\n".join(rows))
    clip = "train/0e4UkWtnkGI_000009.000000-000012.000000.mp4"
    for name in (clip, "train/-_abcdefghi.mp4", "train/zzzzzzzzzzz.mp4"):
        write(tmp_path / name)
    assert found(tmp_path, "avspeech") == {
        "-_abcdefghi/-_abcdefghi/1.000-4.000": (
            "train/-_abcdefghi.mp4", (1, 4), {"face": [0.5, 0.5]},
        ),
        "0e4UkWtnkGI/0e4UkWtnkGI/9.000-12.000": (clip, None, {"face": [0.5, 0.3]}),
    }  # fmt: skip


def test_cremad(tmp_path: Path) -> None:
    write(tmp_path / "VideoFlash/1001_DFA_ANG_XX.flv")
    write(tmp_path / "AudioWAV/readme.mp4")
    about = {"emotion": "ANG", "language": "English", "text": "Don't forget a jacket"}
    file = "VideoFlash/1001_DFA_ANG_XX.flv"
    assert found(tmp_path, "cremad") == {"1001/1001_DFA_ANG_XX": (file, None, about)}


def test_readers_that_cannot_work(tmp_path: Path) -> None:
    write(tmp_path / "a/1.mp4")
    with pytest.raises(ConfigError, match="reader=ted: must be one of hdtf, voxceleb2"):
        scan(tmp_path, "ted")
    with pytest.raises(
        ConfigError, match=r"cremad: none of the 1 videos in .* belongs to this corpus"
    ):
        scan(tmp_path, "cremad")
    with pytest.raises(ConfigError, match="reader=lrs: needs a local source folder"):
        prepare_shards("s3://a/b", tmp_path / "out", reader="lrs")
    for folder in "ab":
        write(tmp_path / folder / "1001_DFA_ANG_XX.flv")
    with pytest.raises(
        ConfigError, match=r"a/1001_DFA_ANG_XX.flv and b/1001_DFA_ANG_XX.flv are both"
    ):
        scan(tmp_path, "cremad")


def test_words_of_a_clip_count_from_its_begin() -> None:
    about = {"text": "a b c", "words": [["a", 0.0, 0.5], ["b", 1.0, 1.5], ["c", 1.9, 2.2]], "x": 1}
    assert clip_metadata(about, 60, 25, 50, 0) == {"x": 1, "text": "b", "words": [["b", 0.0, 0.5]]}
    # The sound is five frames late, so the clip uses the sound of five frames earlier.
    assert clip_metadata(about, 60, 25, 50, -5)["words"] == [["c", 0.7, 1.0]]
    assert clip_metadata({"text": "a b c"}, 60, 0, 56, 0) == {"text": "a b c"}
    assert clip_metadata({"text": "a b c"}, 60, 0, 50, 0) == {}


def test_times() -> None:
    assert [seconds(text) for text in ("95", "01:35", "0:01:35.5")] == [95, 95, 95.5]


@pytest.fixture(scope="module")
def hdtf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A three-second video with identifiable frames, and two stretches of it."""
    root = tmp_path_factory.mktemp("hdtf") / "in"
    write(root / "RD_annotion_time.txt", "Radio1.mp4 00:00.4-00:01.2 00:01.6-00:02.4 00:09-00:10\n")
    pictures = moving(75)
    for number, picture in enumerate(pictures):
        pictures[number] = picture.copy()
        pictures[number][-16:] = 3 * number
    video(root / "Radio1.mp4", pictures)
    return root


def test_stretches_of_a_video_become_clips_of_their_own(hdtf: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    summary = run(hdtf, output, reader="hdtf")
    assert {row.key: (row.reason, row.frames) for row in summary.rows} == {
        "RD_Radio1/RD_Radio1/000": ("", 20),
        "RD_Radio1/RD_Radio1/001": ("", 20),
        "RD_Radio1/RD_Radio1/002": ("too_short", 0),
    }
    clips = [open_clip(output, f"RD_Radio1/RD_Radio1/00{i}") for i in range(2)]
    assert clips[1].info["source_span"] == [1.6, 2.4]
    assert [len(clip.wave) for clip in clips] == [20 * 640] * 2
    assert run(hdtf, output, reader="hdtf").done <= 1  # the one without clips may be tried again
    shards = prepare_shards(
        hdtf, tmp_path / "shards", Options(min_seconds=0.2, judge=None), workers=0,
        progress=False, reader="hdtf",
    )  # fmt: skip
    assert shards.clips == 2
    other = open_set(tmp_path / "shards").open("RD_Radio1/RD_Radio1/001")
    assert other.info == clips[1].info


def test_a_clip_changes_with_what_is_said_of_it() -> None:
    plain = Source("", "a.mp4", "a.mp4", "a", "a")
    assert plain.stamp("v") == "v"
    stamps = {
        Source("", "a.mp4", "a.mp4", "a", "a", span, about).stamp("v")
        for span in (None, (0, 1)) for about in (None, {"text": "b"}, {"text": "c"})
    }  # fmt: skip
    assert len(stamps) == 6
