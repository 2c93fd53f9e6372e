"""Objects in front of a face are preserved in a dub."""

from pathlib import Path

import numpy as np
import pytest
import torch
from dubbing_media import FixedDetector, make_video
from standins import Hearing

from lipsync.checkpoints import save_model
from lipsync.dubbing import dub_frames
from lipsync.dubbing.occlusion import Occlusion, load_occlusion
from lipsync.dubbing.pictures import mouth_layer
from lipsync.dubbing.render import DubbedFrame
from lipsync.errors import ConfigError
from lipsync.faces.framing import box_transforms, get_framing
from lipsync.models import OcclusionNet, SyncNet

BOX = get_framing("box")


def says(path: Path, logit: float, framing: str = "box") -> Path:
    """A network with the same output for all pixels."""
    network = OcclusionNet(96, framing, width=0.5)
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.bias.fill_(logit)
    save_model(network, path)
    return path


def first(face: Path, sound: Path, **options) -> DubbedFrame:
    given = {"detector": FixedDetector(), "match": False, **options}
    frames = dub_frames(face, sound, model=Hearing(), **given)
    found = next(frames)
    frames.close()
    return found


def test_what_is_hidden_is_left_as_it_was(tmp_path, video, sound):
    plain = first(video, sound, occlusion="none")
    assert (plain.picture != plain.original).any()
    assert plain.visible == (None,)
    hidden = first(video, sound, occlusion=says(tmp_path / "all.safetensors", 9.0))
    np.testing.assert_array_equal(hidden.picture, plain.original)
    seen = first(video, sound, occlusion=says(tmp_path / "none.safetensors", -9.0))
    np.testing.assert_array_equal(seen.picture, plain.picture)
    other = says(tmp_path / "jaw.safetensors", 9.0, "aligned_jaw")  # not for this generator
    np.testing.assert_array_equal(first(video, sound, occlusion=other).picture, plain.picture)


def test_a_picture_is_seen_where_nothing_hides_it():
    frame, face = np.full((100, 120, 3), 50, np.uint8), np.full((64, 64, 3), 1.0, np.float32)
    place, visible = box_transforms(np.array([[20, 10, 100, 90]]))[0], np.ones((32, 32), np.float32)
    visible[:, 16:] = 0
    whole, half = BOX.paste(frame, face, place), BOX.paste(frame, face, place, visible)
    np.testing.assert_array_equal(half[:, :58], whole[:, :58])
    np.testing.assert_array_equal(half[:, 62:], frame[:, 62:])
    assert (whole[:, 62:] != frame[:, 62:]).any()


def test_a_layer_has_the_same_holes(tmp_path, video, sound):
    dubbed = first(video, sound, occlusion=says(tmp_path / "some.safetensors", 0.0))
    alpha = mouth_layer(dubbed, BOX)[..., 3:].astype(np.float32) / 65535
    whole = mouth_layer(first(video, sound, occlusion="none"), BOX)[..., 3]
    assert 0.45 < alpha.max() < 0.55  # half seen
    assert whole.max() == 65535
    laid = dubbed.original + alpha * (mouth_layer(dubbed, BOX)[..., :3] / 257.0 - dubbed.original)
    np.testing.assert_allclose(laid, dubbed.picture, atol=1.5)


class Squares(OcclusionNet):
    """Detects white pixels."""

    def forward(self, faces, references):
        return 18 * torch.nn.functional.interpolate(faces[:, :1], (64, 64)) - 9


def test_what_is_in_front_is_widened_and_teeth_are_none():
    crops = [np.zeros((64, 64, 3), np.uint8) for _ in range(3)]
    x, y, _ = (round(64 * share) for share in BOX.mouth)
    crops[0][50:60, 50:60] = 255  # on the chin
    crops[1][y + 2 : y + 6, x - 4 : x + 5] = 255  # in the mouth
    crops[2][y + 6 :, x - 2 : x + 2] = 255  # from below to the mouth
    seen = Occlusion(Squares(96, "box")).visible(crops, crops)
    assert seen.shape == (3, 64, 64)
    assert seen[0, 55, 55] == 0
    assert seen[0, 49, 55] < 0.5 < seen[0, 45, 55]
    assert seen[0, 0, 0] == 1
    assert (seen[1] == 1).all()
    assert seen[2, y + 8, x] < 0.3


def test_another_network_is_refused(tmp_path):
    save_model(SyncNet(96, width=0.25), tmp_path / "expert.safetensors")
    with pytest.raises(
        ConfigError, match="is a SyncNet; use a network of model=occlusion, or none"
    ):
        load_occlusion(tmp_path / "expert.safetensors", BOX, "cpu")


def test_a_list_takes_networks_beside_it(tmp_path, sound):
    from lipsync.dubbing.batch_list import read_batch

    make_video(tmp_path / "face.mp4", 2)
    says(tmp_path / "own.safetensors", 0.0)
    rows = "face,audio,output,occlusion\nface.mp4,sound.wav,made.mp4,own.safetensors\n"
    (tmp_path / "list.csv").write_text(rows)
    (entry,) = read_batch(tmp_path / "list.csv", {})
    assert Path(entry.options["occlusion"]) == tmp_path / "own.safetensors"
