"""Growing networks: at first their output is the smaller network's, enlarged."""

import pytest
import torch
from torch.nn.functional import interpolate

from lipsync.checkpoints import load_model, save_model
from lipsync.errors import CheckpointError, ConfigError
from lipsync.export import export_onnx
from lipsync.models import LipsCode, Network, Wav2Lip
from lipsync.models.growth import resized
from lipsync.models.inference import optimise
from lipsync.training.weights import start_from

SIZES = {"width": 0.125, "depth": 0.5, "framing": "box"}
KINDS = {
    "paint": (Wav2Lip, {}),
    "warp": (Wav2Lip, {"head": "warp", "references": 2}),
    "code": (LipsCode, {"sound_width": 0.1, "colours": (0.2, 0.4, 0.8, 0.9)}),
}
SMOOTH = 12  # cells per side of a smooth random image


def small(kind: str) -> Network:
    """A 96 px network with flows, shares, colours and gains unlike an untrained one's."""
    torch.manual_seed(0)
    cls, options = KINDS[kind]
    network = cls(96, **SIZES, **options)
    with torch.no_grad():
        torch.nn.init.normal_(network.output_block[-1].weight[:3], std=0.3)  # colours
        torch.nn.init.normal_(network.output_block[-1].weight[3:], std=0.01)  # shares and flows
        for gain in getattr(network, "gains", ()):
            torch.nn.init.normal_(gain.weight, std=0.1)
        for norm in network.modules():  # statistics of a single batch
            norm.momentum = 1.0
        network.train()(*inputs(network, 8))
    return network.eval()


def grown(network: Network, size: int, path, *between: int) -> Network:
    """The same network grown to ``size``, by the weights in a file."""
    save_model(network, path / "small.safetensors", {})
    config = network.config | {"image_size": size, "grown_from": [96, *between]}
    larger = type(network)(**config)
    start_from(larger, path / "small.safetensors", "generator")
    return larger.eval()


def inputs(network: Network, batch: int, grains: int = SMOOTH) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(1)
    channels, size, _ = network.faces_shape
    faces = torch.rand(batch, channels, grains, grains, generator=g)
    faces = interpolate(faces, (size, size), mode="bicubic").clamp(0, 1)
    return torch.rand(batch, *network.audio_shape, generator=g) * 4 - 2, faces


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    return -10 * float((one - other).square().mean().log10())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "between"), [(128, ()), (192, ()), (256, (128,))])
def test_at_first_it_paints_what_the_smaller_one_paints(kind, size, between, tmp_path):
    network = small(kind)
    larger = grown(network, size, tmp_path, *between)
    sound, faces = inputs(larger, 2)
    with torch.no_grad():
        painted = network(sound, resized(resized(faces, [96, *between][-1]), 96))
        expected = interpolate(painted, (size, size), mode="bilinear")
        assert float(painted.std()) > 0.1
        assert psnr(larger(sound, faces), expected) > 34
        assert psnr(larger(-sound, faces), expected) < 44  # other sound shows more than growth
        fast = optimise(larger, torch.float32)
        torch.testing.assert_close(fast(sound, faces), larger(sound, faces), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("size", "between"), [(192, ()), (256, (192,))])
def test_the_bundled_one_grows(size, between):
    network = load_model("lipscode-open")
    larger = LipsCode(**network.config | {"image_size": size, "grown_from": [128, *between]})
    start_from(larger.eval(), "lipscode-open", "generator")
    sound, faces = inputs(larger, 2)
    faces[:, :3, round(0.375 * size) :] = 0
    with torch.no_grad():
        painted = network(sound, resized(resized(faces, [128, *between][-1]), 128))
        expected = interpolate(painted, (size, size), mode="bilinear")
        assert psnr(larger(sound, faces), expected) > 43
        assert psnr(larger(-sound, faces), expected) < 34


def test_what_is_fetched_has_the_detail_of_the_full_size(tmp_path):
    """A new network copies each pixel from its own position, at full resolution."""
    torch.manual_seed(0)
    network = Wav2Lip(96, **SIZES, head="warp").eval()
    network.output_block[-1].bias.data[3] = 20  # generates no colours
    larger = grown(network, 192, tmp_path)
    sound, faces = inputs(larger, 1, grains=192)
    with torch.no_grad():
        torch.testing.assert_close(larger(sound, faces), faces[:, 3:], atol=1e-3, rtol=0)


def test_codes_of_all_sizes_agree(tmp_path):
    network = small("code")
    larger = grown(network, 192, tmp_path)
    _, faces = inputs(larger, 16)
    with torch.no_grad():
        code = network.code_of_faces(resized(faces[:, :3], 96))
        error = (larger.code_of_faces(faces[:, :3]) - code).square().mean()
        assert float(error.sqrt() / code.std()) < 0.05
        sound = torch.rand(2, *network.audio_shape)
        torch.testing.assert_close(larger.code_of_sound(sound), network.code_of_sound(sound))


def test_the_new_stages_learn_and_hear_the_code(tmp_path):
    larger = grown(small("code"), 192, tmp_path).train()
    _, faces = inputs(larger, 2)
    code = torch.randn(2, 12, generator=torch.Generator().manual_seed(2))
    optimiser = torch.optim.SGD(larger.parameters(), 0.1)
    for _ in range(2):  # the zero-initialised last layer of a stage blocks gradients at first
        optimiser.zero_grad()
        larger.edit(code, faces).mean().backward()
        optimiser.step()
    for name, parameter in larger.named_parameters():
        if name.startswith(("outer", "face_encoder_blocks", f"gains.{len(larger.gains) - 1}")):
            assert parameter.grad is not None, name
    last = larger.gains[-1].weight
    assert last.grad.abs().max() > 0
    assert len(larger.gains) == len(larger.face_decoder_blocks) + 1


def test_it_is_saved_and_loaded(tmp_path):
    larger = grown(small("code"), 192, tmp_path)
    torch.nn.init.normal_(larger.outer[0].output_block[-1].weight, std=0.1)
    save_model(larger, tmp_path / "large.safetensors", {})
    again = load_model(tmp_path / "large.safetensors")
    assert again.config == larger.config
    with torch.no_grad():
        for one, other in zip(again(*inputs(larger, 1)), larger(*inputs(larger, 1)), strict=True):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=0)


def test_it_runs_as_onnx(tmp_path):
    pytest.importorskip("onnx", reason="ONNX export needs onnx")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    larger = grown(small("warp"), 192, tmp_path)
    export_onnx(larger, tmp_path / "large.onnx")
    session = runtime.InferenceSession(tmp_path / "large.onnx", providers=["CPUExecutionProvider"])
    sound, faces = inputs(larger, 3)
    (found,) = session.run(None, {"mel": sound.numpy(), "faces": faces.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), larger(sound, faces), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("sizes", "size"), [([96], 96), ([96], 256), ([100], 128), ([128, 96], 192)]
)
def test_sizes_that_do_not_grow_are_refused(sizes, size):
    with pytest.raises(ConfigError, match=r"grown_from \[.*must be of 96, 128.*at most 2-fold"):
        Wav2Lip(size, grown_from=sizes)


def test_a_smaller_file_is_told_how_it_would_grow(tmp_path):
    save_model(small("warp"), tmp_path / "small.safetensors", {})
    other = Wav2Lip(192, **SIZES, head="warp", references=2)
    with pytest.raises(CheckpointError, match=r"give data.image_size=96, or model.generator.grown"):
        start_from(other, tmp_path / "small.safetensors", "generator")
    narrow = Wav2Lip(192, **SIZES | {"width": 0.25}, head="warp", references=2, grown_from=[96])
    with pytest.raises(CheckpointError, match=r"give model.generator.width=0.125$"):
        start_from(narrow, tmp_path / "small.safetensors", "generator")
