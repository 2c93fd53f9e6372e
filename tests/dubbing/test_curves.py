"""Dubs from lips-code curves: saved, edited, styled, or another person's."""

import numpy as np
import pytest
import torch
from dubbing_media import FixedDetector, make_video, tone
from torch import nn

from lipsync.dubbing import dub, dub_frames
from lipsync.dubbing.curves import Curves, read_curves, write_curves
from lipsync.errors import ConfigError, MediaError
from lipsync.features import Mel
from lipsync.media import write_audio


class Coded(nn.Module):
    """Its code is (mel level, 0); its output's brightness is the code's first number."""

    def __init__(self) -> None:
        super().__init__()
        self.config = {"image_size": 32, "feature": Mel(lead=1).record, "numbers": 2}

    def code_of_sound(self, mel: torch.Tensor) -> torch.Tensor:
        level = (mel.mean(dim=(1, 2, 3)) + 4) / 8
        return torch.stack([level, torch.zeros_like(level)], dim=1)

    def code_of_faces(self, faces: torch.Tensor) -> torch.Tensor:
        level = faces.mean(dim=(1, 2, 3))
        return torch.stack([level, torch.zeros_like(level)], dim=1)

    def edit(self, code: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        return code[:, 0, None, None, None].clamp(0, 1).expand(-1, 3, 32, 32)

    def forward(self, mel: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        return self.edit(self.code_of_sound(mel), faces)


@pytest.fixture
def media(tmp_path):
    sound = tmp_path / "sound.wav"
    write_audio(sound, tone(1.0, loud_from=0.5))
    return make_video(tmp_path / "face.mp4", 25), sound, tmp_path


OPTIONS = {"detector": FixedDetector(), "match": False, "gate": False}


def pictures(face, sound, **options) -> np.ndarray:
    frames = dub_frames(face, sound, model=Coded(), **OPTIONS, **options)
    return np.stack([frame.picture for frame in frames]).astype(int)


def test_curves_are_written_and_followed_when_they_are_there(media):
    face, sound, folder = media
    path = folder / "mouth.csv"
    result = dub(face, sound, folder / "a.mp4", model=Coded(), curves=path, **OPTIONS)
    assert result.frames == 25
    curves = read_curves(path, 2, 1.0)
    assert len(curves.values) == 25
    assert curves.values[20, 0] > curves.values[2, 0] + 0.2  # noise after silence
    plain = pictures(face, sound)
    assert np.abs(pictures(face, sound, curves=path) - plain).max() <= 1
    write_curves(path, Curves(curves.seconds, np.zeros_like(curves.values)))
    edited = pictures(face, sound, curves=path)
    assert edited[20].sum() < plain[20].sum()


def test_amplitude_is_about_the_rest_and_smoothing_keeps_the_mean():
    at = np.arange(50) / 25
    curves = Curves(at, np.stack([np.sin(9 * at) + 2, at], axis=1).astype(np.float32))
    rest = np.array([2.0, 0.0])
    wide = curves.styled(rest, amplitude=2.0)
    np.testing.assert_allclose(wide.values[:, 0] - 2, 2 * (curves.values[:, 0] - 2), atol=1e-5)
    assert (curves.styled(rest, amplitude=0.0).values == rest).all()
    smooth = curves.styled(rest, smoothing=0.1).values
    assert smooth[:, 0].std() < 0.8 * curves.values[:, 0].std()
    np.testing.assert_allclose(smooth[10:40, 1], curves.values[10:40, 1], atol=1e-3)
    np.testing.assert_allclose(curves.at(0.06)[1], 0.06, atol=1e-6)


def test_a_driver_s_mouth_is_followed_in_place_of_the_sound(media):
    face, sound, folder = media
    still = folder / "still.wav"
    write_audio(still, np.zeros(16000, np.float32))
    driven = pictures(face, sound, driver=face)
    np.testing.assert_array_equal(driven, pictures(face, still, driver=face))
    assert np.abs(driven - pictures(face, sound)).max() > 5


def test_a_driver_must_last_as_long_as_the_sound(media):
    face, sound, folder = media
    short = make_video(folder / "short.mp4", 5)
    with pytest.raises(MediaError, match=r"short.mp4: ends at 0\.16 s, but the sound ends at 1\."):
        pictures(face, sound, driver=short)


@pytest.mark.parametrize("names", [("a.mp4", None), (None, "a.mp4"), ("t.json", "t.json")])
def test_outputs_do_not_replace_each_other(media, names):
    face, sound, folder = media
    tracks, curves = (None if name is None else folder / name for name in names)
    paths = {"tracks": tracks, "curves": curves}
    with pytest.raises(MediaError, match="is another output of this dub"):
        dub(face, sound, folder / "a.mp4", model=Coded(), **paths, **OPTIONS)
    with pytest.raises(MediaError, match=r"sound\.wav: is the input file"):
        dub(face, sound, folder / "a.mp4", model=Coded(), tracks=sound, **OPTIONS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seconds,c1\n0,1\n1,1\n", "has 1 numbers per row, but the model's code has 2"),
        ("seconds,c1,c2\n0,1,1\n0.4,1,1\n", "ends at 0.40 s, but the sound ends at 1.00 s"),
        ("seconds,c1,c2\n1,1,1\n0,1,1\n", "line 3: its time is not later"),
        ("seconds,c1,c2\n0,one,1\n", "line 2: is not 3 numbers"),
        ("seconds,c1,c2\n0,1,1\n0.1,1,1,1\n", "line 3: is not 3 numbers"),
        ("seconds,c1,c2\n0,nan,1\n", "line 2: is not 3 numbers"),
        ("seconds,c1,c2\n", "holds no curves"),
        ("", "holds no curves"),
    ],
)
def test_files_that_are_no_curves_of_this_dub_are_refused(media, text, told):
    face, sound, folder = media
    path = folder / "mouth.csv"
    path.write_text(text)
    with pytest.raises(MediaError, match=told):
        dub(face, sound, folder / "a.mp4", model=Coded(), curves=path, **OPTIONS)
    assert path.read_text() == text


def test_a_model_without_a_code_is_refused_by_the_option_that_asked(media):
    from dubbing_media import Hearing

    face, sound, _ = media
    with pytest.raises(ConfigError, match="`amplitude` needs a model with a lips code"):
        list(dub_frames(face, sound, model=Hearing(), amplitude=1.5, **OPTIONS))
