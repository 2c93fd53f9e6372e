"""The read-only tabs: a prepared set, and training runs."""

import csv
import io
import wave

import cv2
import numpy as np
import pytest

from data_prep.convert import convert
from lipsync.checkpoints import save_model
from lipsync.models import Wav2Lip


def test_a_set_is_listed_and_each_clip_shown(open_demo, prepared):
    page = open_demo(root=str(prepared))
    get = page.client.get
    assert page.client.get("/api/about").json()["dataset"] is True
    assert get("/api/dataset").json()["train"] == {"clips": 4, "speakers": 2}
    found = get("/api/dataset/clips?split=train&query=ANNA").json()
    assert found == {"keys": ["anna/1", "anna/2", "anna/3"], "total": 3, "more": False}
    about = get("/api/dataset/clip?key=ben/1").json()
    assert about == {"frames": 30, "seconds": 1.2, "face_size": 96, "source": "1"}
    sheet = cv2.imdecode(
        np.frombuffer(get("/api/dataset/sheet?key=ben/1").content, np.uint8), cv2.IMREAD_COLOR
    )
    assert sheet.shape == (2 * 96, 6 * 96, 3)
    sound = get("/api/dataset/sound?key=ben/1")
    assert sound.content[:4] == b"RIFF"
    assert sound.headers["content-type"] == "audio/wav"


@pytest.mark.parametrize("key", ["../secret/1", "/etc", "anna/9", "anna", "anna/1/../../.."])
def test_only_clips_of_the_lists_are_shown(open_demo, make_prepared, tmp_path, key):
    make_prepared(tmp_path / "secret", {"train": ["secret/1"]})
    make_prepared(tmp_path / "set", {"train": ["anna/1"]})
    page = open_demo(root=str(tmp_path / "set"))
    for what in ("clip", "sheet", "sound"):
        answer = page.client.get(f"/api/dataset/{what}", params={"key": key})
        assert answer.status_code == 404
        assert answer.json()["error"] == "The set has no such clip."
    assert page.client.get("/api/dataset/clips?split=../x").status_code == 404


def test_without_folders_nothing_is_there_to_look_at(page):
    about = page.client.get("/api/about").json()
    assert (about["dataset"], about["training"]) == (False, False)
    assert page.client.get("/api/dataset").status_code == 404
    assert page.client.get("/api/runs").status_code == 404


def _log(rows: list[dict]) -> str:
    text = io.StringIO()
    names = ["epoch", "step", "train/loss", "val/loss", "val/psnr_generated", "val/psnr_real"]
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def test_runs_have_curves_and_pictures(open_demo, tmp_path):
    run = tmp_path / "sweep" / "3"
    for version, steps in enumerate(([0, 10], [20])):
        folder = run / "csv" / f"version_{version}"
        folder.mkdir(parents=True)
        rows = [{"step": step, "train/loss": 1 / (1 + step)} for step in steps]
        rows += [{"step": steps[-1], "val/loss": 0.5, "val/psnr_generated": 20 + version}]
        rows += [{"step": steps[-1], "val/psnr_real": "nan"}]
        (folder / "metrics.csv").write_text(_log(rows))
    (run / "pictures").mkdir()
    (run / "pictures" / "sheet-0000010.png").write_bytes(b"\x89PNG")
    (tmp_path / "secret.png").write_bytes(b"secret")

    page = open_demo(runs=str(tmp_path))
    get = page.client.get
    assert get("/api/runs").json() == ["sweep/3"]
    found = get("/api/runs/run", params={"run": "sweep/3"}).json()
    assert found["pictures"] == ["sheet-0000010.png"]
    loss, psnr = found["charts"]
    assert (loss["name"], psnr["name"]) == ("loss", "psnr")
    assert loss["lines"]["train"] == [
        [0, 1],
        [10, pytest.approx(1 / 11)],
        [20, pytest.approx(1 / 21)],
    ]
    assert loss["lines"]["val"] == [[10, 0.5], [20, 0.5]]
    assert psnr["lines"] == {"val generated": [[10, 20], [20, 21]]}
    picture = get("/api/runs/picture", params={"run": "sweep/3", "name": "sheet-0000010.png"})
    assert picture.content == b"\x89PNG"
    for wrong in ({"run": "../x", "name": "a"}, {"run": "sweep/3", "name": "../../../secret.png"}):
        answer = get("/api/runs/picture", params=wrong)
        assert answer.status_code == 404
        assert answer.json()["error"].startswith(
            ("There is no run of that name", "This run has no such")
        )


def test_long_curves_are_thin_out_and_keep_their_end():
    from lipsync.demo.runs import _thin_out

    line = [[float(n), 0.0] for n in range(1001)]
    thin = _thin_out(line)
    assert len(thin) <= 400
    assert thin[-1] == line[-1]


def test_models_of_one_s_own_are_offered_by_their_names(open_demo, tmp_path):
    files = [tmp_path / "mine.safetensors"]
    files += [tmp_path / run / "checkpoints" / "best.safetensors" for run in ("one", "two")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_model(Wav2Lip(width=0.1, depth=0), file)
    page = open_demo(models=[str(file) for file in files])
    about = page.client.get("/api/about").json()
    assert about["generators"][-3:] == ["mine", "one/best", "two/best"]
    assert about["generator"] in about["generators"]
    assert about["judge"] in about["judges"]
    assert str(tmp_path) not in page.client.get("/api/about").text


def test_a_set_of_shards_is_shown_as_well(open_demo, make_prepared, tmp_path):
    make_prepared(tmp_path / "folders", {"train": ["anna/1"]})
    convert(tmp_path / "folders", tmp_path / "set", "shards", workers=0, progress=False)
    get = open_demo(root=str(tmp_path / "set")).client.get
    assert get("/api/dataset/sheet?key=anna/1").content[:2] == b"\xff\xd8"
    sound = get("/api/dataset/sound?key=anna/1").content
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getframerate(), file.getnframes()) == (16000, 19200)
