"""The blind study: the files written, and the evaluation of answers."""

import json

import numpy as np
import pytest
from evaluation_media import FixedDetector, bright_and_loud, expert
from scipy.optimize import minimize

from lipsync import cli
from lipsync.errors import ConfigError
from lipsync.evaluation import Row, bench
from lipsync.evaluation.benchmark.measures import MEASURES, OLD_VIDEO
from lipsync.evaluation.benchmark.people import Answer, People, bradley_terry, read_answers
from lipsync.evaluation.benchmark.result import BenchResult
from lipsync.media import VideoWriter, probe, read_frames

FRAMES = 30


def video(path, seen, heard=None, colour=128):
    """A grey mouth that says ``seen`` (a seed), with sound ``heard``, and a marked corner."""
    faces, _ = bright_and_loud(FRAMES, seed=seen)
    wave = None if heard is None else bright_and_loud(FRAMES, seed=heard)[1]
    with VideoWriter(path, 25, (96, 80), audio=wave, crf=8, threads=1) as writer:
        for shown in faces:
            picture = np.full((80, 96, 3), shown[0, 0, 0], np.uint8)
            picture[:8, :8], picture[-20:] = 128, colour
            writer.write(picture)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("dubs")
    for k in range(2):
        video(root / "real" / f"{k}.mp4", k, k, 40)
        video(root / "good" / f"{k}.mp4", 50 + k, 50 + k, 120)
        video(root / "copier" / f"{k}.mp4", k, 50 + k, 200)
    (root / "copier" / "1.mp4").write_text("not a video")
    return root


def run(folder, output, **options):
    return bench(folder, output, judge=expert(), detector=FixedDetector(), **options)


@pytest.fixture(scope="module")
def output(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    run(folder, path, study=True, seed=3, trials=5)
    return path


def key_of(output):
    return json.loads((output / "study-key.json").read_text())


def answers_file(path, output, person="Ann", **changes):
    """Prefers ``good`` to ``copier``, and anything to the old video."""
    key = key_of(output)
    told = []
    for film, about in key["films"].items():
        panels = about["panels"]
        better = sorted(panels, key=["good", "copier", OLD_VIDEO].index)
        for one in range(len(panels)):
            for two in range(one):
                first = better.index(panels[one]) < better.index(panels[two])
                chosen = "left" if first else "right"
                told.append(
                    {"film": film, "left": one, "right": two, "question": "sync", "answer": chosen}
                )
    content = {"format": key["format"], "study": key["study"], "person": person, "answers": told}
    path.write_text(json.dumps(content | changes))
    return path


def test_the_page_names_no_system_and_the_films_hold_what_the_key_says(output):
    key = key_of(output)
    found = {about["clip"]: about["panels"] for about in key["films"].values()}
    assert sorted(found["0"]) == sorted(["good", "copier", OLD_VIDEO])
    assert sorted(found["1"]) == sorted(["good", OLD_VIDEO])  # unscored dubs are left out
    page = (output / "study" / "index.html").read_text()
    assert not any(name in page for name in ("good", "copier", "old video", 'src="http'))
    assert '"trials": 5' in page
    levels = {OLD_VIDEO: 40, "good": 120, "copier": 200}
    for film, about in key["films"].items():
        path = output / "study" / "films" / f"{film}.mp4"
        assert probe(path).has_audio
        pictures = [frame for _, frame in read_frames(path)]
        assert len(pictures) == FRAMES
        width = 96
        assert pictures[0].shape[1] == width * len(about["panels"])
        for place, kind in enumerate(about["panels"]):
            corner = pictures[3][-10:, place * width + 20 : (place + 1) * width - 20].mean()
            assert corner == pytest.approx(levels[kind], abs=6)


def test_the_same_seed_writes_the_same_study(folder, output, tmp_path):
    again, other = tmp_path / "again", tmp_path / "other"
    run(folder, again, study=True, seed=3)
    run(folder, other, study=True, seed=4)
    assert key_of(again) == key_of(output)
    assert key_of(other)["study"] != key_of(output)["study"]


def test_answers_are_set_beside_the_measures(folder, output, tmp_path):
    files = [answers_file(tmp_path / f"{k}.json", output, f"p{k}") for k in range(6)]
    result = run(folder, output, answers=files)
    (strengths,) = (result.people.strengths(q) for q in result.people.questions)
    assert list(strengths) == ["good", "copier", OLD_VIDEO]
    assert result.people.preference_share("sync", "good").mean == 1
    assert result.people.agreement_of_people("sync").mean == 1
    agreement = result.people.agreements(result)["sync"]
    assert agreement["distance"].mean >= 0.5
    summary = json.loads((output / "summary.json").read_text())["people"]
    assert summary["people"] == 6
    assert summary["questions"]["sync"]["preferred"]["good"]["mean"] == 1
    page = (output / "index.html").read_text()
    assert "What do people say?" in page
    assert "Which is better lip-synced?" in result.table()


def test_strengths_are_those_of_the_largest_likelihood():
    rng = np.random.default_rng(1)
    wins = rng.integers(1, 20, (4, 4)).astype(float)
    np.fill_diagonal(wins, 0)

    def loss(strength):
        return (wins * np.logaddexp(0, strength[None] - strength[:, None])).sum()

    found = minimize(loss, np.zeros(4)).x
    assert bradley_terry(wins[None])[0] == pytest.approx(found - found.mean(), abs=1e-3)


def planted(people, seed, strength=(0.8, 0.0, -0.8)):
    rng, kinds = np.random.default_rng(seed), ("a", "b", "c")
    answers = []
    for person in range(people):
        for clip in range(6):
            for one, two in ((0, 1), (0, 2), (1, 2)):
                odds = 1 / (1 + np.exp(strength[two] - strength[one]))
                worth = float(rng.uniform() < odds)
                answers.append(
                    Answer(f"{person}", f"{clip}", "sync", kinds[one], kinds[two], worth)
                )
    return People(answers)


def test_intervals_hold_what_was_planted():
    held = []
    for seed in range(60):
        found = planted(12, seed).strengths("sync")
        for kind, true in {"a": 0.8, "b": 0, "c": -0.8}.items():
            held.append(found[kind].low <= true <= found[kind].high)
    assert 0.88 <= np.mean(held) <= 1


def test_one_person_gives_no_interval_and_what_always_wins_stays_finite():
    answers = [Answer("p", f"{k}", "sync", "a", "b", 1.0) for k in range(9)]
    strengths = People(answers).strengths("sync")
    assert np.isnan(strengths["a"].low)
    assert 0.5 < strengths["a"].mean < 5


@pytest.mark.parametrize(
    ("name", "values", "better"),
    [("distance", (1, 2), 0), ("confidence", (1, 2), 1), ("motion_share", (1.4, 0.9), 1),
     ("sharpness", (90, 130), 0)],
)  # fmt: skip
def test_a_measure_says_which_is_better(name, values, better):
    measure = next(m for m in MEASURES if m.name == name)
    worse = [measure.badness(value, 100) for value in values]
    assert int(np.argmin(worse)) == better
    assert measure.badness(None, 100) is None


def test_a_measure_agrees_with_people_who_see_what_it_sees():
    rows = [
        Row(kind, "x", 9, distance, 1.0, 0)
        for kind, distance in {"real": 0.1, "a": 0.5, "b": 0.9}.items()
    ]
    result = BenchResult(rows, ["a", "b"], {"x": {}}, "j", "p", 15, {})
    told = [("p", 1.0), ("q", 1.0), ("r", 0.0), ("s", 0.5)]
    people = People([Answer(person, "x", "sync", "a", "b", worth) for person, worth in told])
    found = people.agreements(result)["sync"]
    assert (found["distance"].mean, found["distance"].n) == (pytest.approx(2 / 3), 3)
    assert "confidence" not in found  # equal
    assert people.agreement_of_people("sync").mean == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": "x"}, "is not an answer file"),
        ({"answers": [{"film": "none"}]}, "is not an answer file"),
        ({"answers": 3}, "is not an answer file"),
        ({"answers": []}, "holds no answer"),
        ({"study": "1234"}, "answers study 1234, but"),
    ],
)
def test_a_file_of_another_form_is_an_error(output, tmp_path, changes, problem):
    path = answers_file(tmp_path / "a.json", output, **changes)
    with pytest.raises(ConfigError, match=problem) as told:
        read_answers([path], output)
    assert str(path) in str(told.value)


def test_answers_that_cannot_be_read_are_an_error(output, tmp_path):
    one, two = (answers_file(tmp_path / f"{k}.json", output) for k in range(2))
    with pytest.raises(ConfigError, match=r"Ann also answered in .*0\.json; keep one"):
        read_answers([one, two], output)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_answers([tmp_path / "none.json"], output)
    with pytest.raises(ConfigError, match="no key of a study; write the study with --study"):
        read_answers([one], tmp_path)
    told = json.loads(one.read_text())
    for left, right in ((9, 0), (-1, 0), (0, 0), ("0", 1), (True, 0)):
        told["answers"][0] |= {"left": left, "right": right}
        one.write_text(json.dumps(told))
        with pytest.raises(ConfigError, match="is not an answer file"):
            read_answers([one], output)


def test_options_of_a_study_need_one(folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["bench", str(folder), "-o", str(tmp_path), "--trials", "3"])
    assert left.value.code == 2
    assert "--seed and --trials require --study" in capsys.readouterr().err
