"""``dub`` end to end on tiny media: frames, durations, sync, gaps."""

import threading
from fractions import Fraction

import numpy as np
import pytest
import torch
from dubbing_media import (
    BAD,
    SIZE,
    SQUARE,
    FixedDetector,
    Hearing,
    corner_number,
    frame,
    make_video,
    mouth_level,
    tiny_dub,
    tone,
)

from lipsync.dubbing import dub, dub_frames
from lipsync.errors import ConfigError, MediaError
from lipsync.faces.crops import crop
from lipsync.faces.framing import get_framing
from lipsync.features import Mel
from lipsync.media import probe, read_audio, read_frames, write_audio


@pytest.mark.parametrize("fps", [12, Fraction(24000, 1001), 25, Fraction(30000, 1001), 50, 60])
def test_frames_rate_and_duration(tmp_path, sound, fps):
    face = make_video(tmp_path / "face.mp4", round(1.5 * fps) if fps < 35 else 40, fps)
    result = tiny_dub(face, sound, tmp_path / "out.mp4")
    info = probe(tmp_path / "out.mp4")
    assert info.fps == result.fps == Fraction(fps)
    assert (info.width, info.height) == SIZE
    shown = [picture for _, picture in read_frames(tmp_path / "out.mp4")]
    assert len(shown) == result.frames == round(1.0 * fps)
    assert abs(result.seconds - 1.0) <= 0.5 / fps + 1e-9
    assert abs(len(read_audio(tmp_path / "out.mp4", 48000)) / 48000 - result.seconds) < 0.022
    if fps < 35:
        assert [corner_number(picture) for picture in shown] == list(range(result.frames))
        assert result.length == "cut"


def test_the_mouth_moves_when_the_sound_begins(tmp_path):
    """Loud from 0.6 s on; the first 200 ms window that overlaps it starts at 0.4 s."""
    write_audio(tmp_path / "late.wav", tone(1.2, loud_from=0.6))
    fps = Fraction(30000, 1001)
    face = make_video(tmp_path / "face.mp4", 36, fps)
    tiny_dub(face, tmp_path / "late.wav", tmp_path / "out.mp4")
    level = [mouth_level(picture) for _, picture in read_frames(tmp_path / "out.mp4")]
    first = next(k for k, value in enumerate(level) if value > level[0] + 10)
    full = next(k for k, value in enumerate(level) if value > 0.95 * max(level))
    assert first / fps == pytest.approx(0.4, abs=0.06)
    assert full / fps == pytest.approx(0.6, abs=0.06)


@pytest.mark.parametrize(
    ("length", "numbers"),
    [
        ("pingpong", [*range(10), *range(8, -1, -1), *range(1, 7)]),
        ("loop", [*range(10), *range(10), *range(5)]),
        ("freeze", [*range(10), *[9] * 15]),
        ("trim", [*range(10)]),
    ],
)
def test_sound_longer_than_the_video(tmp_path, sound, length, numbers):
    face = make_video(tmp_path / "face.mp4", 10)
    result = tiny_dub(face, sound, tmp_path / "out.mp4", length=length)
    shown = [corner_number(picture) for _, picture in read_frames(tmp_path / "out.mp4")]
    assert shown == numbers
    assert (result.frames, result.length, result.source_frames) == (len(numbers), length, 10)
    sound_seconds = len(read_audio(tmp_path / "out.mp4")) / 16000
    assert sound_seconds == pytest.approx(len(numbers) / 25, abs=0.022)


def test_frames_without_a_face_pass_unchanged_and_are_reported(tmp_path, sound):
    hidden = range(10, 20)
    face = make_video(tmp_path / "face.mp4", 25, hidden=hidden)
    result = tiny_dub(face, sound, tmp_path / "out.mp4", stride=1)
    assert result.skipped == [(10, 20)]
    assert result.faces_found == 15
    made = np.array([mouth_level(p) for _, p in read_frames(tmp_path / "out.mp4")])
    given = np.array([mouth_level(p) for _, p in read_frames(face)])
    assert (given < 90).all()
    assert (made[:5] > 90).all()
    np.testing.assert_allclose(made[10:20], given[10:20], atol=3)
    # it fades out, and in again: six even steps
    whole = made[0] - given[0]
    shares = np.array([5, 4, 3, 2, 1]) / 6
    np.testing.assert_allclose((made - given)[5:10] / whole, shares, atol=0.1)
    np.testing.assert_allclose((made - given)[20:] / whole, shares[::-1], atol=0.1)
    with pytest.raises(MediaError, match=r"no face from 0\.40 to 0\.80 s"):
        tiny_dub(face, sound, tmp_path / "no.mp4", stride=1, no_face="error")
    assert not (tmp_path / "no.mp4").exists()


def test_skipped_spans_count_the_frames_that_are_shown(tmp_path, sound):
    face = make_video(tmp_path / "face.mp4", 10, hidden=[7, 8, 9])
    result = tiny_dub(face, sound, tmp_path / "out.mp4", stride=1, length="pingpong")
    # 0..9, back to 0, up to 6: shown without a face are 7 8 9 8 7
    assert result.skipped == [(7, 12)]
    assert result.faces_found == 25 - 5


def test_a_still_picture_speaks_at_the_asked_rate(tmp_path, sound):
    import cv2

    cv2.imwrite(str(tmp_path / "face.png"), frame(3)[..., ::-1])
    result = tiny_dub(tmp_path / "face.png", sound, tmp_path / "out.mp4", fps=29.97)
    assert result.fps == Fraction(30000, 1001)
    assert (result.frames, result.source_frames, result.faces_found) == (30, 1, 30)
    assert probe(tmp_path / "out.mp4").fps == Fraction(30000, 1001)


def test_a_sound_out_of_a_video_and_odd_sizes(tmp_path):
    speech = make_video(tmp_path / "speech.mp4", 25, audio=tone(1.0))
    face = make_video(tmp_path / "face.mkv", 25, size=(96, 80))
    result = tiny_dub(face, speech, tmp_path / "out.mov")
    assert result.frames == 25
    import cv2

    odd = frame(3)[:79, :95]
    cv2.imwrite(str(tmp_path / "odd.png"), odd[..., ::-1])
    tiny_dub(tmp_path / "odd.png", speech, tmp_path / "odd.mp4")
    info = probe(tmp_path / "odd.mp4")
    assert (info.width, info.height) == (96, 80)  # H.264 has even sides: the last is repeated


def test_it_says_that_it_is_synthetic_and_reports_progress(tmp_path, sound, video):
    import av

    calls = []
    result = tiny_dub(video, sound, tmp_path / "out.mp4", progress=lambda *c: calls.append(c))
    with av.open(str(tmp_path / "out.mp4")) as container:
        comment = container.metadata["comment"]
    assert "ynthetic" in comment
    assert "lipsync" in comment
    assert "Hearing" in comment
    assert result.model == "Hearing"
    assert [c[1] for c in calls] == list(range(1, 26))
    assert {(c[0], c[2]) for c in calls} == {("frames", 25)}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_midway_leaves_nothing(tmp_path, sound, video, error):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(error):
        tiny_dub(video, sound, out / "x.mp4", model=Hearing(fail_at=12, error=error))
    assert list(out.iterdir()) == []


def test_a_failure_midway_keeps_the_file_that_was_there(tmp_path, sound, video):
    (tmp_path / "x.mp4").write_bytes(b"older")
    with pytest.raises(RuntimeError):
        tiny_dub(video, sound, tmp_path / "x.mp4", model=Hearing(fail_at=12))
    assert (tmp_path / "x.mp4").read_bytes() == b"older"


@pytest.mark.skipif(not BAD.is_dir(), reason="needs ../shared/data/bad")
@pytest.mark.parametrize("name", ["no_audio.mp4", "ntsc_29_97.mp4"])
def test_odd_but_sound_files_are_dubbed(tmp_path, sound, name):
    given = probe(BAD / name)
    result = tiny_dub(BAD / name, sound, tmp_path / "out.mp4", detector="centerface")
    made = probe(tmp_path / "out.mp4")
    assert (made.width, made.height, made.rotation) == (given.width, given.height, 0)
    assert result.variable == (name == "no_audio.mp4")  # 30 fps, of which some are missing
    if not result.variable:
        assert made.fps == given.fps
    assert result.faces_found == result.frames == pytest.approx(float(given.fps), abs=1)


def test_a_generated_head_is_found_dubbed_and_scored(tmp_path):
    """End to end with the real detector, a Wav2Lip and an expert, on a synthetic head."""
    from lipsync.checkpoints import save_model
    from lipsync.evaluation import evaluate
    from lipsync.media import VideoWriter
    from lipsync.models import SyncNet, Wav2Lip
    from lipsync.sample.corpus import make_clip

    torch.manual_seed(0)
    save_model(Wav2Lip(width=0.1, depth=0, feature=Mel(lead=2)), tmp_path / "generator.safetensors")
    save_model(SyncNet(width=0.1, depth=0), tmp_path / "expert.safetensors")
    clip = make_clip(seed=0, speaker=0, clip=0, seconds=1.2, size=256)
    with VideoWriter(tmp_path / "face.mp4", 25, (256, 256), audio=clip.wave, crf=10) as video:
        for picture in clip.frames:
            video.write(picture)
    other = make_clip(seed=0, speaker=1, clip=0, seconds=1.0, size=256).wave
    write_audio(tmp_path / "other.wav", other)

    result = dub(
        tmp_path / "face.mp4",
        tmp_path / "other.wav",
        tmp_path / "out.mp4",
        model=tmp_path / "generator.safetensors",
        crf=1,
    )
    assert (result.frames, result.faces_found, result.model) == (25, 25, "generator")
    given = [picture.astype(int) for _, picture in read_frames(tmp_path / "face.mp4")]
    made = [picture.astype(int) for _, picture in read_frames(tmp_path / "out.mp4")]
    change = np.mean(
        [np.abs(a - b).mean(axis=2) for a, b in zip(given, made, strict=False)], axis=0
    )
    rows = np.nonzero(change > 12)[0]
    assert rows.min() > 128  # below the nose of a head in the middle of the picture
    assert 0.02 < (change > 12).mean() < 0.2
    assert np.median(change) < 1.5  # everything else is the input, up to encoding

    report = evaluate(
        [tmp_path / "out.mp4"],
        [tmp_path / "face.mp4"],
        judge=str(tmp_path / "expert.safetensors"),
    )
    report.check()
    assert [row.n for row in report.rows] == [21, 26]


# ---------------------------------------------------------------- frames, before the encoder


def frames_of(face, audio, model=None, **options):
    options = {"detector": FixedDetector(), "batch_size": 8, "match": False, **options}
    return list(dub_frames(face, audio, model=model or Hearing(), **options))


def test_pixels_outside_the_mask_are_exactly_the_input_s(tmp_path, sound):
    face = make_video(tmp_path / "face.mp4", 25, hidden=(14, 15))
    given = [picture for _, picture in read_frames(face)]
    x0, y0, x1, y1 = SQUARE
    u = (np.arange(SIZE[0]) + 0.5 - x0) / (x1 - x0)
    v = (np.arange(SIZE[1]) + 0.5 - y0) / (y1 - y0)
    mask = get_framing("box").mask.weights(u[None], v[:, None])
    assert 0.05 < (mask > 0).mean() < 0.3
    for match in (True, False):
        made = frames_of(face, sound, stride=1, match=match, enhance="sharpen")
        for k, (before, after) in enumerate(zip(given, made, strict=True)):
            assert (after.number, after.start) == (k, k / 25)
            np.testing.assert_array_equal(after.original, before)
            if k in (14, 15):
                assert not after.dubbed
                np.testing.assert_array_equal(after.picture, before)  # no face: identical frame
            else:
                np.testing.assert_array_equal(after.picture[mask == 0], before[mask == 0])
                assert (after.picture[mask == 1] != before[mask == 1]).mean() > 0.9


def test_the_generator_sees_the_masked_target_then_the_whole_frame(tmp_path, sound):
    model, other = Hearing(), Hearing()
    other.reference_first = True
    face = make_video(tmp_path / "face.mp4", 25)
    for generator in (model, other):
        frames_of(face, sound, generator, reference_frames="itself")
    _, picture = next(iter(read_frames(face)))
    seen = crop(picture, SQUARE, 32) / 255
    faces = model.inputs[0][1][0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(faces[..., 3:], seen, atol=1e-6)
    np.testing.assert_allclose(faces[:16, :, :3], seen[:16], atol=1e-6)
    assert not faces[16:, :, :3].any()
    swapped = other.inputs[0][1][0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(swapped, np.concatenate([faces[..., 3:], faces[..., :3]], -1))


def test_an_iterator_can_be_left_early(tmp_path, video, sound):
    before = threading.active_count()
    frames = dub_frames(video, sound, model=Hearing(), detector=FixedDetector(), batch_size=2)
    assert [next(frames).number for _ in range(3)] == [0, 1, 2]
    frames.close()
    assert threading.active_count() == before
    with pytest.raises(ConfigError, match="unknown per-frame options: crf"):
        dub_frames(video, sound, crf=3)


def test_lipgan_dubs_too(tmp_path, video, sound):
    from lipsync.checkpoints import save_model
    from lipsync.models import LipGAN

    torch.manual_seed(0)
    save_model(LipGAN(width=0.1, depth=0), tmp_path / "lipgan.safetensors")
    result = tiny_dub(video, sound, tmp_path / "out.mp4", model=tmp_path / "lipgan.safetensors")
    assert (result.frames, result.faces_found, result.model) == (25, 25, "lipgan")
