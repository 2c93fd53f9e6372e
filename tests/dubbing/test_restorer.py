"""Face restorers in ONNX, made by the test: what they change, where, and refused files."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from dubbing_media import BOX, SIZE, FixedDetector, make_video, tone
from onnx import TensorProto, helper, numpy_helper
from standins import Hearing

from lipsync import cli
from lipsync import onnx_files as module
from lipsync.dubbing import dub_batch, dub_frames, dubbers
from lipsync.dubbing.ffhq import FFHQ
from lipsync.dubbing.render import DubbedFrame
from lipsync.dubbing.restorer import Restorer, load_restorer
from lipsync.errors import CheckpointError, LipsyncError
from lipsync.faces.align import TEMPLATE
from lipsync.faces.detect import Detection, Detector
from lipsync.faces.framing import get_framing
from lipsync.faces.painting import unit_points
from lipsync.media import write_audio

FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE
TINT = np.array([0.2, -0.1, 0.0], np.float32)  # in [-1, 1], of R, G and B


def restorer(
    path: Path,
    op: str = "Add",
    constant: np.ndarray = TINT[:, None, None],
    *,
    picture=("n", 3, 512, 512),
    made=("n", 3, 512, 512),
    numbers=(),
    before=(),
    kind=FLOAT,
) -> Path:
    """An ONNX network: ``op(picture, constant)``, times each of the ``numbers`` it takes."""
    nodes, name = [*before], "shaped" if before else "picture"
    if op in ("Identity", "Neg", "ReduceMean"):
        nodes.append(helper.make_node(op, [name], ["changed"]))
    else:
        nodes.append(helper.make_node(op, [name, "constant"], ["changed"]))
    last = "changed"
    for k, _ in enumerate(numbers):
        nodes.append(helper.make_node("Cast", [f"w{k}"], [f"f{k}"], to=kind))
        nodes.append(helper.make_node("Mul", [last, f"f{k}"], [f"m{k}"]))
        last = f"m{k}"
    nodes.append(helper.make_node("Identity", [last], ["made"]))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "restorer",
        [value("picture", kind, picture), *(value(f"w{k}", *n) for k, n in enumerate(numbers))],
        [value("made", kind, made)],
        [
            numpy_helper.from_array(
                constant.astype(helper.tensor_dtype_to_np_dtype(kind)), "constant"
            ),
            numpy_helper.from_array(np.array([1, 3, 512, 512]), "one"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def smooth_face(path: Path) -> Path:
    """A smooth image that survives resampling."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] / max(SIZE)
    picture = np.stack([60 + 60 * x, 80 + 40 * y, 90 + 30 * x * y], -1)
    cv2.imwrite(str(path), np.rint(picture).astype(np.uint8)[..., ::-1])
    return path


def first(face: Path, sound: Path, model=None, **options) -> DubbedFrame:
    given = {"detector": FixedDetector(), "match": False, "fps": 25, **options}
    frames = dub_frames(face, sound, model=model or Hearing(), **given)
    found = next(frames)
    frames.close()
    return found


def weights_of(dubbed: DubbedFrame, framing: str = "box") -> np.ndarray:
    """The mask of a dubbed frame, (H, W, 1)."""
    height, width = dubbed.picture.shape[:2]
    (place,) = dubbed.transforms
    u, v = unit_points(place, 0, 0, width, height)
    return get_framing(framing).mask.weights(u, v)[..., None]


def test_a_restorer_that_changes_nothing_leaves_the_dub_as_it_is(tmp_path, sound):
    face = smooth_face(tmp_path / "face.png")
    plain = first(face, sound)
    same = first(face, sound, enhance=restorer(tmp_path / "same.onnx", "Identity"))
    seen = weights_of(plain)[..., 0] > 0
    assert 0.05 < seen.mean() < 0.3
    np.testing.assert_array_equal(same.picture[~seen], plain.picture[~seen])
    gap = np.abs(same.picture.astype(int) - plain.picture)
    assert gap.max() <= 3
    assert gap[seen].mean() < 0.5


def test_a_change_of_colour_is_seen_where_the_mask_is_and_as_much(tmp_path, sound):
    face = smooth_face(tmp_path / "face.png")
    plain = first(face, sound)
    tinted = first(face, sound, enhance=str(restorer(tmp_path / "tint.onnx")))
    expected = weights_of(plain) * TINT * 127.5
    np.testing.assert_allclose(tinted.picture.astype(int) - plain.picture, expected, atol=3)
    assert expected.max() > 25
    matched = first(face, sound, enhance=str(tmp_path / "tint.onnx"), match=True)
    before = first(face, sound, match=True)
    gap = np.abs(matched.picture.astype(int) - before.picture)
    assert gap.max() <= 3  # colours are matched to the surroundings


def test_pictures_are_in_minus_one_to_one(tmp_path, sound):
    face = smooth_face(tmp_path / "face.png")
    plain = first(face, sound)
    negative = first(face, sound, enhance=restorer(tmp_path / "neg.onnx", "Neg"))
    whole = weights_of(plain)[..., 0] == 1
    assert whole.any()
    total = negative.picture[whole].astype(int) + plain.picture[whole]
    np.testing.assert_allclose(total, 255, atol=2)


class WithLandmarks(Detector):
    """``BOX``, and landmarks at FFHQ's positions in a rotated square around the box."""

    name = "landmarks"

    def __init__(self, degrees: float) -> None:
        a, side = np.radians(degrees), 70.0
        turned = side * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        self.marks = (FFHQ - FFHQ.mean(axis=0)) @ turned.T + [46, 42]

    def detect(self, frame: np.ndarray) -> list[Detection]:
        return [Detection(BOX, 1.0, self.marks.astype(np.float32))]


@pytest.mark.parametrize(
    ("framing", "detector"),
    [
        ("box", FixedDetector()),
        ("box", WithLandmarks(0)),
        ("box", WithLandmarks(20)),
        ("aligned_jaw", WithLandmarks(20)),
    ],
)
def test_the_mouth_of_ffhq_lies_on_the_mouth_of_the_face(tmp_path, sound, framing, detector):
    """A network that paints a dot at FFHQ's right mouth corner."""
    dot = np.full((1, 3, 512, 512), -1, np.float32)
    corner = np.rint(FFHQ[4] * 512).astype(int)
    for channel in dot[0]:
        cv2.circle(channel, corner.tolist(), 14, 1.0, -1)
    zero = helper.make_node("Sub", ["picture", "picture"], ["shaped"])
    path = restorer(tmp_path / "dot.onnx", "Add", dot, before=[zero])
    model = Hearing()
    model.config["framing"] = framing
    dubbed = first(
        smooth_face(tmp_path / "face.png"), sound, model, detector=detector, enhance=path
    )
    weights = weights_of(dubbed, framing)
    light = np.where(weights[..., 0] > 0.5, dubbed.picture.mean(axis=-1), 0)
    y, x = np.nonzero(light > 120)
    found = np.array([x.mean(), y.mean()]) + 0.5
    if isinstance(detector, WithLandmarks):
        expected = detector.marks[4]
    else:
        (place,) = dubbed.transforms
        expected = place @ [*TEMPLATE[4], 1]
    assert np.abs(found - expected).max() < 1.5


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 190, (count, 512, 512, 3), dtype=np.uint8)


def test_any_batch_gives_the_same(tmp_path, monkeypatch):
    sizes, run = [], Restorer._run
    monkeypatch.setattr(Restorer, "_run", lambda s, f: sizes.append(len(f)) or run(s, f))
    reshaped = helper.make_node("Reshape", ["picture", "one"], ["shaped"])
    files = {
        "free": restorer(tmp_path / "free.onnx"),
        "one": restorer(tmp_path / "one.onnx", picture=(1, 3, 512, 512), made=(1, 3, 512, 512)),
        "three": restorer(tmp_path / "three.onnx", picture=(3, 3, 512, 512)),
        "said to be free": restorer(tmp_path / "said.onnx", before=[reshaped]),
        "of any side": restorer(tmp_path / "any.onnx", picture=("n", 3, "h", "w"), made=None),
    }
    given = faces(5)
    expected = given / 255 + TINT / 2
    for name, path in files.items():
        known = load_restorer(path)
        sizes.clear()
        found = known.restore(given)
        asked = {"free": [4, 1], "of any side": [4, 1], "three": [3, 2]}.get(name, [1] * 5)
        assert sizes == asked, name
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("number", [(DOUBLE, ()), (FLOAT, (1,)), (DOUBLE, ("k",))])
def test_a_weight_is_one(tmp_path, number):
    path = restorer(tmp_path / "weighted.onnx", numbers=[number])
    given = faces(1)
    found = load_restorer(path).restore(given)
    np.testing.assert_allclose(found, given / 255 + TINT / 2, atol=1e-5)


def test_half_precision(tmp_path):
    path = restorer(tmp_path / "half.onnx", kind=TensorProto.FLOAT16)
    given = faces(1)
    np.testing.assert_allclose(
        load_restorer(path).restore(given), given / 255 + TINT / 2, atol=2e-3
    )


def test_it_is_opened_once_until_it_changes(tmp_path):
    path = restorer(tmp_path / "r.onnx")
    assert load_restorer(path) is load_restorer(str(path))
    before = load_restorer(path)
    restorer(path, "Identity", picture=(1, 3, 512, 512))
    assert load_restorer(path) is not before


def test_files_that_are_no_restorer(tmp_path):
    text, folder = tmp_path / "text.onnx", tmp_path / "folder.onnx"
    text.write_text("not a network")
    folder.mkdir()
    for path, problem in [
        (tmp_path / "missing.onnx", "no such file"),
        (folder, "is a folder"),
        (text, "cannot be read as ONNX"),
        (restorer(tmp_path / "grey.onnx", picture=("n", 1, 512, 512)), "its input is picture"),
        (restorer(tmp_path / "flat.onnx", picture=("n", 3, 512, 256)), "its input is picture"),
        (
            restorer(tmp_path / "list.onnx", "Identity", picture=("n", 512), made=None),
            "its inputs are picture (n, 512) float",
        ),
        (
            restorer(tmp_path / "two.onnx", numbers=[(FLOAT, ()), (FLOAT, ())]),
            "its inputs are picture",
        ),
        (
            restorer(tmp_path / "code.onnx", numbers=[(FLOAT, (1, 1))]),
            "its inputs are picture (n, 3, 512, 512) float, w0 (1, 1) float",
        ),
        (
            restorer(tmp_path / "small.onnx", "ReduceMean", picture=("n", 3, 512, 512)),
            "its first output is (1, 1, 1, 1)",
        ),
    ]:
        with pytest.raises(CheckpointError) as caught:
            load_restorer(path)
        assert str(path) in str(caught.value)
        assert problem in str(caught.value)
        assert "\n" not in str(caught.value)


def test_the_command_refuses_before_it_reads_the_video(tmp_path, capsys):
    (tmp_path / "net.onnx").write_bytes(b"\x08\x07 no network")
    words = ["dub", "none.mp4", "none.wav", "-o", str(tmp_path / "out.mp4")]
    for name, problem in (
        ("net.onnx", "as ONNX"),
        ("no.onnx", "no such file"),
        ("glow", "or the path"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main([*words, "--enhance", str(tmp_path / name)])
        assert stop.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert name in line
        assert problem in line
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_a_list_finds_it_beside_itself(tmp_path, monkeypatch):
    folder = tmp_path / "job"
    folder.mkdir()
    make_video(folder / "a.mp4", 5)
    write_audio(folder / "a.wav", tone(0.5))
    restorer(folder / "tint.onnx")
    (folder / "l.csv").write_text("face,audio,output,enhance\na.mp4,a.wav,o.mp4,tint.onnx\n")
    used = []

    def dub(face, audio, output, **options) -> None:
        used.append(options["enhance"])
        raise LipsyncError("enough")

    monkeypatch.setattr(dubbers, "dub", dub)
    dub_batch(folder / "l.csv", model=Hearing())
    assert used == [folder / "tint.onnx"]


def test_a_gpu_is_used_where_there_is_one(tmp_path, monkeypatch, caplog):
    path = restorer(tmp_path / "r.onnx")
    Restorer(path, "cuda")
    assert "onnxruntime-gpu" in caplog.text
    asked, real = [], module.onnxruntime.InferenceSession

    def session(path, options, providers):
        asked.append(providers)
        return real(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(module.onnxruntime, "InferenceSession", session)
    there = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(module.onnxruntime, "get_available_providers", lambda: there)
    Restorer(path, "cuda:0")
    assert asked == [["CUDAExecutionProvider", "CPUExecutionProvider"]]
