"""Two speakers: who says each line, with separate voices and lips."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from standins import BrightAndLoud, Hearing
from translation_media import Beeps, Hears, Reverses, edit, hertz, made, pitch, rows, work

from lipsync.errors import ConfigError, MediaError, StageError
from lipsync.faces.detect import Detection, Detector
from lipsync.media import VideoWriter, read_audio, read_frames
from lipsync.sample.corpus import make_clip
from lipsync.translation import Options, Segment, translate
from lipsync.translation.clusters import cluster, voice_rows
from lipsync.translation.mixing import RATE
from lipsync.translation.speakers import _Piece, _silent_pairs

SIDE = 96  # of a head
BOXES = np.array([[20, 16, 76, 84], [116, 16, 172, 84]], np.float32)
LINES = (  # who says them, and when
    (0, 0.4, 2.2, "good morning"),
    (1, 2.6, 4.4, "how are you"),
    (0, 4.8, 6.6, "thank you all"),
    (1, 8.4, 9.8, "they are gone"),  # the second shot shows only the first head
)
HEARD = tuple(Segment(start, end, text) for _, start, end, text in LINES)
SECONDS, CUT = 10.0, 8.0


class Heads(Detector):
    """Two heads; the second shot shows only the left one."""

    name = "heads"

    def detect(self, frame: np.ndarray) -> list[Detection]:
        there = BOXES if frame[:, SIDE:].max() > 16 else BOXES[:1]
        return [Detection(box, 1.0, np.full((5, 2), np.nan, np.float32)) for box in there]


@pytest.fixture(scope="module")
def panel(tmp_path_factory) -> Path:
    """Two synthetic heads with synthetic voices, each as bright as its voice is loud."""
    path = tmp_path_factory.mktemp("panel") / "panel.mp4"
    clips = [make_clip(seed=2, speaker=k, clip=0, seconds=2.5, size=SIDE) for k in (0, 1)]
    heads = [next(clip.frames).astype(np.float32) for clip in clips]
    wave = np.zeros(round(SECONDS * 16_000), np.float32)
    light = np.zeros((2, round(SECONDS * 25)))
    for number, (who, start, end, _) in enumerate(LINES):
        said = make_clip(seed=2, speaker=who, clip=number, seconds=end - start, size=SIDE).wave
        at = round(start * 16_000)
        wave[at : at + len(said)] = said
        if number < 3:
            levels = np.sqrt(
                np.square(said[: len(said) // 640 * 640].reshape(-1, 640)).mean(axis=1)
            )
            first = round(start * 25)
            light[who, first : first + len(levels)] = levels / levels.max()
    noise = np.random.default_rng(0).random((2, light.shape[1] + 4))
    light += 0.2 * np.stack([np.convolve(row, [0.2] * 5, "valid") for row in noise])
    with VideoWriter(path, 25, (2 * SIDE, SIDE), crf=4, audio=wave) as video:
        for number in range(round(SECONDS * 25)):
            both = [head * (0.5 + 0.1 * light[k, number]) for k, head in enumerate(heads)]
            if number >= CUT * 25:
                both = [255 - both[0], np.zeros_like(both[1])]
            video.write(np.concatenate(both, axis=1).clip(0, 255).astype(np.uint8))
    return path


class Marks:
    """A voice that records its references."""

    def __init__(self, name: str) -> None:
        self.name, self.references = name, []

    def convert(self, wave: np.ndarray, rate: int, reference: np.ndarray) -> np.ndarray:
        self.references.append(reference)
        return wave


def options(**changes) -> Options:
    dub = {"model": Hearing(), "detector": Heads(), "match": False, "crf": 4, "gate": False}
    values = {"to": "es", "asr": Hears(HEARD), "translator": Reverses(), "tts": Beeps()}
    return Options(**(values | {"speakers": 2, "dub": dub, "voice": "none"} | changes))


@pytest.fixture
def judged(monkeypatch) -> None:
    import_module("lipsync.voice.command")  # imported later, it would keep the stand-in
    monkeypatch.setattr("lipsync.checkpoints.load_model", lambda _: BrightAndLoud())


def test_each_speaker_has_a_voice_a_reference_and_lips(panel, output, judged) -> None:
    engines = {who: Beeps(f"beeps {who}", 0.1) for who in "AB"}
    voices = {who: Marks(who) for who in "AB"}
    result = translate(panel, output, options(tts=engines, voice=voices))
    assert result.speakers == ["A", "B", "A", "B"]
    assert [engine.seen for engine in engines.values()] == [
        ["gninrom doog", "lla uoy knaht"], ["uoy era woh", "enog era yeht"],
    ]  # fmt: skip
    for who, voice in voices.items():
        lasts = sum(end - start for k, start, end, _ in LINES if "AB"[k] == who)
        assert [len(one) / RATE for one in voice.references] == pytest.approx([lasts] * 2, abs=0.01)
    turns = rows(work(output) / "speakers.json", "turns")
    assert [(t["line"], t["speaker"]) for t in turns] == [(1, "A"), (2, "B"), (3, "A"), (4, "B")]
    assert [t["face"] and int(t["face"].split(",")[0]) // SIDE for t in turns] == [0, 1, 0, None]
    assert any("speaker of line 4 is not visible" in note for note in result.notes)
    assert "   0.40 -   2.20  A: gninrom doog" in str(result)


def test_lips_move_while_their_owner_speaks_and_else_are_left_alone(panel, output, judged) -> None:
    translate(panel, output, options())
    before, after = (list(read_frames(path)) for path in (panel, output))
    changed = np.array([
        [np.abs(new[48:84, x : x + 56].astype(float) - old[48:84, x : x + 56]).mean() > 4
         for x in (20, 116)]
        for (_, old), (_, new) in zip(before, after, strict=True)
    ])  # fmt: skip
    seconds = np.arange(len(changed)) / 25
    for k in (0, 1):
        said = [(start, end) for who, start, end, _ in LINES[:3] if who == k]
        inside = np.any([(seconds > a + 0.1) & (seconds < b - 0.1) for a, b in said], axis=0)
        near = np.any([(seconds > a - 0.5) & (seconds < b + 0.5) for a, b in said], axis=0)
        assert changed[inside, k].mean() > 0.95
        assert not changed[~near, k].any()
    assert not changed[seconds > CUT].any()  # the line of an invisible speaker
    heard = read_audio(output, RATE)
    assert np.abs(heard[round(8.6 * RATE) : round(9.0 * RATE)]).max() > 0.02


def test_lines_off_screen_by_a_speaker_embedding(panel, output, judged, monkeypatch) -> None:
    """The line without a visible speaker is recognised by the first speaker's voice."""
    translate(panel, output, options(until="speakers"))
    model, heard = output.with_suffix(".onnx"), []
    model.write_bytes(b"a network")
    voices = [
        np.array([1.0, 0.0]),
        np.array([0.0, 1.0]),
        np.array([1.0, 0.1]),
        np.array([0.9, 0.0]),
    ]
    given = lambda path, waves: heard.append((path, [len(w) for w in waves])) or voices  # noqa: E731
    monkeypatch.setattr("lipsync.translation.speakers.voiceprints", given)
    monkeypatch.setattr("lipsync.translation.pipeline.check_speaker_model", lambda _: None)
    result = translate(panel, output, options(until="speakers", speaker_model=model))
    assert result.speakers == ["A", "B", "A", "A"]
    lasts = [round((end - start) * 16_000) for _, start, end, _ in LINES]
    assert heard == [(model, pytest.approx(lasts, abs=1))]
    again = translate(panel, output, options(until="speakers", speaker_model=model))
    assert made(again) == {}
    assert translate(panel, output, options(until="speakers")).speakers == ["A", "B", "A", "B"]


def test_what_a_person_corrects_stays(panel, output, judged) -> None:
    translate(panel, output, options(until="speakers"))
    path = work(output) / "speakers.json"
    assert made(translate(panel, output, options(until="speakers"))) == {}
    edit(path, lambda text: text.replace('"speaker": "B"', '"speaker": "carla"', 1))
    result = translate(panel, output, options(until="fit"))
    assert result.speakers == ["A", "carla", "A", "B"]
    folder = work(output) / "es"
    alone = read_audio(folder / "track-carla.wav", RATE)
    line = alone[round(2.6 * RATE) : round(4.4 * RATE)]
    assert pitch(line, RATE) == pytest.approx(hertz("uoy era woh"), abs=3)
    assert not alone[: round(2.2 * RATE)].any()
    assert {path.name for path in folder.glob("track*")} == {
        "track.wav", "track-A.wav", "track-B.wav", "track-carla.wav",
    }  # fmt: skip
    shorter = Hears(HEARD[:3])
    shorter.name = "another"
    with pytest.raises(StageError, match=r"speakers\.json was corrected by hand, but the lines"):
        translate(panel, output, options(asr=shorter, until="fit"))
    edit(path, lambda text: text.replace('"speaker": "carla"', '"spaeker": "carla"'))
    with pytest.raises(MediaError, match="turn 2 needs line, start, end and speaker"):
        translate(panel, output, options(until="fit"))


def test_refused_options() -> None:
    with pytest.raises(ConfigError, match="say how many speak with --speakers"):
        Options(to="es", tts={"A": "espeak"})
    with pytest.raises(ConfigError, match="speakers must be 1 to 26, got 0"):
        Options(to="es", speakers=0)
    given = Options(to="es", speakers=2, tts={"B": "espeak:es+f3"}, voice={"A": "none"})
    assert [given.tts_of(who) for who in "AB"] == ["auto", "espeak:es+f3"]
    assert [given.voice_of(who) for who in "AB"] == ["none", "match"]
    assert Options(to="es").voice_of("") == "none"


def test_lines_of_one_voice_are_grouped() -> None:
    """Six voices of the sample corpus, two at a time, three lines each."""
    right = []
    for one, other in ((0, 1), (2, 3), (4, 5)):
        people = [one, other, one, one, other, other]
        waves = [
            make_clip(seed=2, speaker=who, clip=k, seconds=1.8, size=32).wave
            for k, who in enumerate(people)
        ]
        right.append(cluster([voice_rows(wave) for wave in waves], 2))
    assert right == [[0, 1, 0, 0, 1, 1]] * 3


def test_faces_decide_where_they_are_seen() -> None:
    rng = np.random.default_rng(0)
    low, high = (rng.normal(level, 1, (50, 13)) for level in (0, 4))
    alike = [low, high, low + 0.1, high + 0.1]
    assert cluster(alike, 2) == [0, 1, 0, 1]
    assert cluster(alike, 2, faces=["a", "a", None, None]) == [0, 0, 0, 1]
    assert cluster(alike, 2, faces=["a", None, "b", None], apart=[(0, 2)]) == [0, 1, 1, 1]
    assert cluster(alike, 9) == [0, 1, 2, 3]
    silent = np.zeros((0, 13))
    assert len(set(cluster([low, silent, high], 2))) == 2
    assert voice_rows(np.zeros(16_000, np.float32)).shape == (0, 13)


def test_a_voice_like_that_of_a_face_which_is_silent_is_somebody_else() -> None:
    """Lines 1 and 3 belong to a face that is always visible; 2 and 4 to a very similar voice."""
    rng = np.random.default_rng(0)
    voices = [rng.normal(level, 1, (50, 13)) for level in (0, 0.5, 0, 0.2)]
    shot, own, other = SimpleNamespace(start=0), 0.5, -0.05
    pieces = [
        _Piece(k, k, k + 1, shot, (0, 9), {0: fit, 1: -0.1})
        for k, fit in enumerate((own, other, own, other))
    ]
    said = [(0, 0), None, (0, 0), None]
    assert cluster(voices, 2, said) == [0, 1, 0, 0]
    doubted = _silent_pairs(pieces, said)
    assert set(doubted) == {(0, 1), (2, 1), (0, 3), (2, 3)}
    assert cluster(voices, 2, said, doubted=doubted) == [0, 1, 0, 1]
    unsure = [replace(piece, scores={0: 0.2 if piece.line % 2 == 0 else -0.05}) for piece in pieces]
    assert _silent_pairs(unsure, said) == []  # a face with low scores throughout
    clear = [voices[0], voices[0] + 5, voices[2], voices[2] + 0.1]  # the judge is wrong
    assert cluster(clear, 2, said, doubted=doubted) == [0, 1, 0, 0]


def test_on_the_command_line(monkeypatch, capsys) -> None:
    from lipsync import cli, translation
    from lipsync.translation import command

    seen = []
    monkeypatch.setattr(translation, "translate", lambda v, o, options, **_: seen.append(options))
    monkeypatch.setattr(command, "print_result", lambda *_: None)
    words = (
        "translate a.mp4 -o b.mp4 --to es --speakers 2 --tts A=espeak:es --tts B=mms --voice match"
    )
    cli.main(words.split())
    assert (seen[0].tts, seen[0].voice) == ({"A": "espeak:es", "B": "mms"}, "match")
    for wrong in ("--tts A=x --tts A=y", "--tts x --tts A=y", "--tts A=x --tts y"):
        with pytest.raises(SystemExit):
            cli.main([*words.split()[:6], *wrong.split()])
        assert "error: argument --tts:" in capsys.readouterr().err
