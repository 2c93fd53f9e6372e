"""A gallery of people: each face is rendered by the generator of the most similar person."""

import json

import numpy as np
import pytest
from dubbing_media import BOX, SIZE, FixedDetector, frame, painting

from lipsync.checkpoints import load_model, save_model
from lipsync.checkpoints.files import fingerprint
from lipsync.dubbing import dub
from lipsync.errors import CheckpointError
from lipsync.faces.framing import get_framing
from lipsync.generators.gallery import describe_face, load_gallery
from lipsync.media import VideoWriter, read_frames

STRIPED = np.indices((SIZE[1], SIZE[0])).sum(axis=0) % 24 > 11


def striped(k):
    picture = np.where(STRIPED[..., None], 200, 60).astype(np.uint8).repeat(3, axis=-1)
    picture[:8, :8] = 40 + 5 * (k % 40)
    return picture


def look(picture):
    framing = get_framing("box")
    crop = framing.cut(picture, framing.transforms(BOX[None])[0], 96)
    return [float(value) for value in describe_face(crop[None])]


@pytest.fixture
def people(tmp_path):
    """Anna, who is striped, adapted from a base beside the folder."""
    folder = tmp_path / "people"
    folder.mkdir()
    base = painting(0.5)
    save_model(base, tmp_path / "base.safetensors")
    card = {"base": "base.safetensors", "base_weights": fingerprint(base), "look": look(striped(0))}
    save_model(painting(0.95), folder / "anna.safetensors", {"adapted": card})
    return folder


def test_each_face_is_painted_by_its_own_generator(people, tmp_path, sound):
    video = tmp_path / "two.mp4"
    with VideoWriter(video, 25, SIZE, crf=1) as writer:
        for k in range(24):
            writer.write(striped(k) if k < 12 else frame(k))
    output = tmp_path / "out.mp4"
    options = {"detector": FixedDetector(), "length": "trim", "match": False}
    found = dub(video, sound, output, model=people, **options)
    assert found.people == {"anna": 12, "": 12}
    assert found.model == "people"
    assert "anna in 12, nobody known in 12" in str(found)
    left, top, right, bottom = BOX.astype(int)
    row, column = top + (bottom - top) * 3 // 4, (left + right) // 2
    levels = [int(picture[row, column].mean()) for _, picture in read_frames(output)]
    assert min(levels[:11]) > 225
    assert levels[13:] == pytest.approx([128] * len(levels[13:]), abs=16)


def test_what_is_no_gallery_is_refused(people, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(CheckpointError, match="no adapted models"):
        load_gallery(tmp_path / "none", load_model)
    save_model(painting(0.2), people / "ben.safetensors")
    with pytest.raises(CheckpointError, match="no look of a person"):
        load_gallery(people, load_model)
    card = json.loads((people / "anna.safetensors.json").read_text())["adapted"]
    save_model(painting(0.2), people / "ben.safetensors", {"adapted": card | {"base_weights": "0"}})
    with pytest.raises(CheckpointError, match="several bases"):
        load_gallery(people, load_model)
    (people / "anna.safetensors").unlink()
    with pytest.raises(CheckpointError, match="other weights than those of base"):
        load_gallery(people, load_model)
