"""``dub`` end to end on tiny media: frames, durations, the sound's place, gaps, refusals."""

import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from dubbing_media import BOX, SIZE, FixedDetector, Hearing, frame, make_video, tone

from lipsync.dubbing import dub
from lipsync.dubbing.blend import mouth_mask
from lipsync.dubbing.render import Lips, render
from lipsync.errors import ConfigError, LipsyncError, MediaError
from lipsync.faces.crops import crop, steady_box
from lipsync.media import probe, read_audio, read_frames, write_audio

SQUARE = steady_box(BOX[None])
BAD = Path(__file__).parents[3] / "shared" / "data" / "bad"


def tiny_dub(face, audio, output, model=None, **options):
    options = {"detector": FixedDetector(), "batch_size": 8, "crf": 1, **options}
    return dub(face, audio, output, model=model or Hearing(), **options)


def mouth_level(picture: np.ndarray) -> float:
    x, y = (SQUARE[:2] + (SQUARE[2:] - SQUARE[:2]) * [0.5, 0.66]).astype(int)
    return float(picture[y - 1 : y + 2, x - 1 : x + 2].mean())


def corner_number(picture: np.ndarray) -> int:
    return int(np.rint((picture[2:6, 2:6].mean() - 40) / 5))


# ---------------------------------------------------------------- rendering, before the encoder


def test_pixels_outside_the_mask_are_exactly_the_input_s():
    frames = [frame(k) for k in range(10)]
    boxes = np.tile(SQUARE, (10, 1))
    boxes[4:6] = np.nan
    lips = Lips(Hearing(), np.full((80, 100), 4.0, np.float32), 25)
    out = list(render(enumerate(frames), boxes, lips, batch_size=3))
    x0, y0, x1, y1 = SQUARE
    u = (np.arange(SIZE[0]) + 0.5 - x0) / (x1 - x0)
    v = (np.arange(SIZE[1]) + 0.5 - y0) / (y1 - y0)
    mask = mouth_mask(u, v)
    assert 0.05 < (mask > 0).mean() < 0.3
    for k, (given, made) in enumerate(zip(frames, out, strict=True)):
        if k in (4, 5):
            np.testing.assert_array_equal(made, given)  # no face: the very frame
        else:
            np.testing.assert_array_equal(made[mask == 0], given[mask == 0])
            assert (made[mask == 1] == 255).all()


@pytest.mark.parametrize("fps", [12, Fraction(24000, 1001), 25, Fraction(30000, 1001), 60])
@pytest.mark.parametrize("lead", [0, 1, 2])
def test_each_frame_hears_its_own_sound(fps, lead):
    mel = np.tile(np.linspace(-4, 4, 161, dtype=np.float32), (80, 1))  # column c: -4 + c / 20
    count = int(2 * fps)
    model = Hearing(mel_lead=lead)
    list(
        render(
            ((0, frame(0)) for _ in range(count)),
            SQUARE[None],
            Lips(model, mel, fps),
            batch_size=7,
        )
    )
    first = torch.cat([mels for mels, _ in model.inputs])[:, 0, 0, 0].numpy()
    heard = np.rint((first + 4) * 20).astype(int)
    # 80 columns a second; the window begins `lead` 25ths of a second before the frame.
    wanted = [int(80 * (k / float(fps) - lead / 25) + 1e-6) for k in range(count)]
    # Before the sound there is silence (as low as column 0 here); after it, silence too, but
    # published inference (lead 0) stays at the last 16 columns.
    np.testing.assert_array_equal(heard, np.clip(wanted, 0, 161 - 16 if lead == 0 else None))


def test_the_generator_sees_the_masked_target_then_the_whole_frame():
    model = Hearing()
    lips = Lips(model, np.zeros((80, 40), np.float32), 25)
    list(render([(0, frame(5))], SQUARE[None], lips, batch_size=4))
    faces = model.inputs[0][1][0].permute(1, 2, 0).numpy()
    seen = crop(frame(5), SQUARE, 32) / 255
    np.testing.assert_allclose(faces[..., 3:], seen, atol=1e-6)
    np.testing.assert_allclose(faces[:16, :, :3], seen[:16], atol=1e-6)
    assert not faces[16:, :, :3].any()


# ---------------------------------------------------------------- whole files


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
    """Loud from 0.6 s on; the first window (200 ms) that holds any of it begins at 0.4 s."""
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
    loud = [mouth_level(p) > 90 for _, p in read_frames(tmp_path / "out.mp4")]
    given = [mouth_level(p) > 90 for _, p in read_frames(face)]
    assert not any(given)
    assert loud == [k not in hidden for k in range(25)]
    with pytest.raises(
        MediaError, match=r"no face in 10 of 25 frames, first from 0\.40 to 0\.80 s"
    ):
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
    for stage in ("faces", "render"):
        done = [c[1] for c in calls if c[0] == stage]
        assert done[-1] == 25
        assert all(a < b for a, b in pairwise(done))
        assert {c[2] for c in calls} == {25}


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


# ---------------------------------------------------------------- refusals


def refused(tmp_path, face, audio, output=None, **options) -> str:
    """The message of the refusal, having checked that it is one line and left nothing."""
    output = output or tmp_path / "refused.mp4"
    before = output.read_bytes() if output.is_file() else None
    around = sorted(output.parent.iterdir()) if output.parent.is_dir() else None
    with pytest.raises(LipsyncError) as caught:
        tiny_dub(face, audio, output, **options)
    assert "\n" not in str(caught.value)
    assert (output.read_bytes() if output.is_file() else None) == before
    assert (sorted(output.parent.iterdir()) if output.parent.is_dir() else None) == around
    return str(caught.value)


def test_faces_that_cannot_be_used(tmp_path, sound):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "face.png").write_text("not a picture")
    hidden = make_video(tmp_path / "hidden.mp4", 10, hidden=range(10))
    for name, problem in [
        ("empty.mp4", "empty"),
        ("text.mp4", "not a video"),
        ("face.png", "not a picture"),
        ("missing.mp4", "no such file"),
        ("sound.wav", "has no video"),
        (".", "is a folder"),
    ]:
        message = refused(tmp_path, tmp_path / name, sound)
        assert problem in message
        assert str(tmp_path / name) in message
    assert f"{hidden}: no face found in 10 frames" in refused(tmp_path, hidden, sound)


def test_sounds_that_cannot_be_used(tmp_path, video):
    write_audio(tmp_path / "short.wav", tone(0.1))
    write_audio(tmp_path / "enough.wav", tone(0.19))
    message = refused(tmp_path, video, tmp_path / "short.wav")
    assert "short.wav: its sound lasts 0.10 s, a mel window needs 0.19 s" in message
    assert "face.mp4: has no sound" in refused(tmp_path, video, video)
    assert "no such file" in refused(tmp_path, video, tmp_path / "missing.wav")
    assert "is a folder" in refused(tmp_path, video, tmp_path)
    assert tiny_dub(video, tmp_path / "enough.wav", tmp_path / "out.mp4").frames == 5


def test_outputs_that_cannot_be_written(tmp_path, video, sound):
    speech = make_video(tmp_path / "speech.mp4", 25, audio=tone(1.0))
    assert "is the input itself" in refused(tmp_path, video, sound, video)
    assert "is the input itself" in refused(tmp_path, video, speech, speech)
    message = refused(tmp_path, video, sound, tmp_path / "nowhere" / "out.mp4")
    assert "there is no folder" in message
    assert not (tmp_path / "nowhere").exists()
    assert "is no video's suffix" in refused(tmp_path, video, sound, tmp_path / "out.gif")
    (tmp_path / "folder.mp4").mkdir()
    assert "is a folder" in refused(tmp_path, video, sound, tmp_path / "folder.mp4")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_output_folder_without_rights(tmp_path, video, sound):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert "cannot be written" in refused(tmp_path, video, sound, locked / "out.mp4")


def test_options_that_cannot_work(tmp_path, video, sound):
    for options, problem in [
        ({"length": "reverse"}, "length must be one of pingpong, loop, freeze, trim"),
        ({"no_face": "hold"}, "no_face must be one of pass, error"),
        ({"batch_size": 0}, "batch_size and stride must be 1 or more"),
        ({"crf": 60}, "crf must be 0 to 51"),
        ({"detector": "magic"}, "magic"),
    ]:
        with pytest.raises(ConfigError, match=problem):
            tiny_dub(video, sound, tmp_path / "out.mp4", **options)


def test_a_file_name_made_of_shell_metacharacters(tmp_path, sound):
    name = tmp_path / 'a\'; $(rm -rf x) & "b" | *?.mp4'
    make_video(name, 10)
    out = tmp_path / "o'ut; `x`.mp4"
    assert tiny_dub(name, sound, out, length="trim").frames == 10
    assert out.exists()


@pytest.mark.skipif(not BAD.is_dir(), reason="needs ../shared/data/bad")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("empty.mp4", "empty"),
        ("text_named.mp4", "not a video"),
        ("truncated.mp4", "cut short"),
        ("audio_only.mp4", "no video"),
        ("damaged_stream.mpg", "damaged at"),
        ("no_face.mp4", "no face found"),
    ],
)
def test_the_bad_files_are_refused(tmp_path, sound, name, problem):
    message = refused(tmp_path, BAD / name, sound, detector="centerface")
    assert problem in message
    assert name in message


@pytest.mark.skipif(not BAD.is_dir(), reason="needs ../shared/data/bad")
@pytest.mark.parametrize("name", ["no_audio.mp4", "ntsc_29_97.mp4", "rotated_90.mp4"])
def test_odd_but_sound_files_are_dubbed(tmp_path, sound, name):
    given = probe(BAD / name)
    result = tiny_dub(BAD / name, sound, tmp_path / "out.mp4", detector="centerface")
    made = probe(tmp_path / "out.mp4")
    assert (made.width, made.height, made.rotation) == (given.width, given.height, 0)
    assert made.fps == given.fps
    assert result.faces_found == result.frames == round(given.fps)
    assert "no sound" in refused(tmp_path, BAD / name, BAD / "no_audio.mp4")


def test_a_generated_head_is_found_dubbed_and_scored(tmp_path):
    """The whole way with the real detector, a Wav2Lip and an expert, on a generated head."""
    from lipsync.checkpoints import save_model
    from lipsync.data.sample.corpus import make_clip
    from lipsync.evaluation import evaluate
    from lipsync.media import VideoWriter
    from lipsync.models import SyncNet, Wav2Lip

    torch.manual_seed(0)
    save_model(Wav2Lip(width=0.1, depth=0, mel_lead=2), tmp_path / "generator.safetensors")
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
    assert np.median(change) < 1.5  # all else is the input, but for the encoder

    report = evaluate(
        [tmp_path / "out.mp4"],
        [tmp_path / "face.mp4"],
        judge=str(tmp_path / "expert.safetensors"),
    )
    report.check()
    assert [row.n for row in report.rows] == [21, 26]
