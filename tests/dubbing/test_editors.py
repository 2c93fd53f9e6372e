"""Output for editing: codecs, 10 bits, transparency, only the mouth, image sequences."""

from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from dubbing_media import FixedDetector, Hearing, corner_number, tiny_dub, tone

from lipsync.dubbing import dub
from lipsync.dubbing.pictures import Originals
from lipsync.errors import ConfigError, MediaError
from lipsync.media import probe, read_audio, read_frames, write_audio
from lipsync.media.encoders import ENCODERS

SIZE = (256, 144)  # the minimum for DNxHR


def ramp(path, codec, pixels, form, frames=6, **options):
    """A video with levels between 8-bit steps; with alpha, its left half is transparent."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = *SIZE, pixels
        video.options = options
        video.codec_context.colorspace = video.codec_context.color_range = 1
        levels = np.linspace(20_000, 24_000, SIZE[0])
        picture = np.empty((SIZE[1], SIZE[0], 4), np.uint16)
        picture[..., :3], picture[..., 3] = levels[None, :, None], 65535
        if form == "alpha":
            picture[:, : SIZE[0] // 2, 3] = 0
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgba64le")
            frame = frame.reformat(format=pixels, dst_colorspace="ITU709")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def big_dub(face, sound, output, **options):
    return dub(face, sound, output, model=Hearing(), detector=FixedDetector(), **options)


@pytest.fixture
def speech(tmp_path):
    write_audio(tmp_path / "speech.wav", tone(0.24))
    return tmp_path / "speech.wav"


@pytest.mark.parametrize("codec", [name for name in ENCODERS if "nvenc" not in name])
def test_every_codec_in_its_first_container(tmp_path, speech, codec):
    face = ramp(tmp_path / "face.mkv", "ffv1", "yuv420p", "plain")
    suffix = ENCODERS[codec].suffixes[0]
    output = tmp_path / f"out{suffix}"
    result = big_dub(face, speech, output, codec=codec, crf=10, match=False)
    assert (result.codec, result.frames, result.kept) == (codec, 6, "")
    with av.open(str(output)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt[:8] == ENCODERS[codec].pixels[:8]  # 4444 is decoded as 12 bits
        assert context.colorspace == 1
    (_, before), (_, after) = next(read_frames(face)), next(read_frames(output))
    far = np.s_[100:, 100:]  # far from the mouth
    off = np.abs(before[far].astype(int) - after[far])
    assert off.mean() < 1
    assert off.max() <= 8
    assert abs(len(read_audio(output)) / 16000 - 0.24) <= 0.02


@pytest.mark.parametrize(("suffix", "codec", "sound"), [
    (".webm", "vp9", "opus"), (".mxf", "dnxhr", "pcm"), (".mp4", "h264", "aac"),
])  # fmt: skip
def test_a_container_has_its_usual_codecs(tmp_path, speech, suffix, codec, sound):
    face = ramp(tmp_path / "face.mkv", "ffv1", "yuv420p", "plain")
    result = big_dub(face, speech, tmp_path / f"out{suffix}")
    assert (result.codec, result.sound) == (codec, sound)


@pytest.mark.parametrize("codec", ["hevc10", "prores", "dnxhr", "av1", "prores4444"])
def test_ten_bits_are_kept(tmp_path, speech, codec):
    face = ramp(tmp_path / "face.mkv", "ffv1", "yuv422p10le", "plain")
    output = tmp_path / f"out{ENCODERS[codec].suffixes[0]}"
    result = big_dub(face, speech, output, codec=codec, crf=4, match=False)
    assert result.kept == "10 bits"
    assert "10 bits kept" in str(result)
    before, after = (next(read_frames(path, deep=True))[1][120, :, 1] for path in (face, output))
    assert len(np.unique(before)) > 50 > 25 > len(np.unique(before >> 8))
    assert np.abs(before.astype(int) - after).max() < (600 if codec == "av1" else 200)
    assert len(np.unique(after)) > 40


@pytest.mark.parametrize(("codec", "suffix"), [("prores4444", ".mov"), ("vp9", ".webm")])
def test_transparency_is_kept(tmp_path, speech, codec, suffix):
    face = ramp(tmp_path / "face.mov", "prores_ks", "yuva444p10le", "alpha", profile="4444")
    output = tmp_path / f"out{suffix}"
    result = big_dub(face, speech, output, codec=codec, crf=10)
    assert "transparency" in result.kept
    alpha = next(read_frames(output, deep=True))[1][..., 3]
    assert alpha[:, :120].max() < 2000
    assert alpha[:, 136:].min() > 63_000
    assert big_dub(face, speech, tmp_path / "out.mp4").kept == ""


def test_a_transparent_picture_keeps_its_transparency(tmp_path, speech):
    picture = np.full((144, 256, 4), 90, np.uint8)
    picture[:, :128, 3], picture[:, 128:, 3] = 0, 255
    cv2.imwrite(str(tmp_path / "face.png"), picture)
    big_dub(tmp_path / "face.png", speech, tmp_path / "out.mov", codec="prores4444")
    alpha = next(read_frames(tmp_path / "out.mov", deep=True))[1][..., 3]
    assert alpha[:, :120].max() < 2000
    assert alpha[:, 136:].min() > 63_000


def test_a_repeated_picture_is_changed_once_per_frame(monkeypatch):
    still = np.full((4, 4, 4), 20_000, np.uint16)
    monkeypatch.setattr(Originals, "__init__", lambda self: None)
    originals = Originals()
    originals._frames = (SimpleNamespace(picture=still) for _ in range(2))
    before = np.full((4, 4, 3), 77, np.uint8)
    frame = SimpleNamespace(original=before, picture=before + 10)
    levels = [int(originals.with_dub(frame)[0, 0, 0]) for _ in range(2)]
    assert levels == [22_570, 22_570]


def test_a_layer_over_the_source_is_the_dub(tmp_path, video, speech):
    options = {"model": Hearing(2), "audio_codec": "auto", "crf": 18}
    tiny_dub(video, speech, tmp_path / "dub" / "%04d.png", **options)
    tiny_dub(video, speech, tmp_path / "layer" / "%04d.png", layer=True, **options)
    assert sorted(p.name for p in (tmp_path / "layer").iterdir()) == [
        *(f"{k:04d}.png" for k in range(6)), "sound.wav",
    ]  # fmt: skip
    assert abs(len(read_audio(tmp_path / "layer" / "sound.wav")) / 16000 - 0.24) < 0.001
    for k, (_, source) in zip(range(6), read_frames(video), strict=False):
        layer = cv2.imread(str(tmp_path / "layer" / f"{k:04d}.png"), cv2.IMREAD_UNCHANGED)
        made = cv2.imread(str(tmp_path / "dub" / f"{k:04d}.png"))[..., ::-1]
        share = layer[..., 3:] / 65535
        over = layer[..., 2::-1] / 257 * share + source * (1 - share)
        assert np.abs(over - made).max() < 1.01
        assert share.max() == 1
        assert share[:6].max() == 0
        assert corner_number(made) == k


@pytest.mark.parametrize(("output", "options", "problem"), [
    ("o.mp4", {"codec": "prores"}, "prores cannot be stored in '.mp4'; use .mov, .mkv"),
    ("o.mp4", {"layer": True}, "h264 cannot store transparency, which `layer` needs"),
    ("o.webm", {"layer": True, "preview": True}, "leave out `preview`"),
    ("new/%03d.png", {"codec": "vp9"}, "is written as PNG with PCM"),
    ("o.mov", {"codec": "divx"}, "codec"),
    ("o.webm", {"audio_codec": "aac"}, "aac sound cannot be stored"),
    ("50%_%05d.png", {}, "name a picture sequence like shot/%05d.png"),
])  # fmt: skip
def test_what_cannot_be_written_is_said_first(tmp_path, video, speech, output, options, problem):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError, match=problem):
        tiny_dub(video, speech, tmp_path / output, **options)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_holds_something_is_left_alone(tmp_path, video, speech):
    with pytest.raises(MediaError, match="exists and is not empty"):
        tiny_dub(video, speech, tmp_path / "%04d.png", crf=18)


def test_an_encoder_that_is_missing_is_one_line(tmp_path, video, speech, monkeypatch):
    monkeypatch.setattr("av.codecs_available", {"libx264"})
    with pytest.raises(ConfigError, match=r"no encoder libx265; use codec=auto"):
        tiny_dub(video, speech, tmp_path / "out.mp4", codec="hevc")


def test_dnxhr_of_a_picture_that_is_too_small_is_one_line(tmp_path, video, speech):
    with pytest.raises(ConfigError, match="dnxhr cannot be encoded here, 96x80 at 25"):
        tiny_dub(video, speech, tmp_path / "out.mov", codec="dnxhr")
    assert not (tmp_path / "out.mov").exists()
    assert probe(video).frames == 25
