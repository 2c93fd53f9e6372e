"""The lip reader: its sentences, its view of a clip, and its training."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from test_configs import CONF
from test_run import tiny, train
from tiny import ADAM, CONSTANT, trainer

from lipsync.checkpoints import load_model, save_model
from lipsync.data.inputs import Inputs
from lipsync.data.module import ClipDataModule
from lipsync.data.sentences import (
    GRID_SLOTS,
    DrawnSentences,
    Sentences,
    grid_sentence,
    read_transcripts,
)
from lipsync.data.store import PreparedFolder, write_clip, write_split
from lipsync.errors import ClipError, ConfigError, MediaError
from lipsync.models import LipReader
from lipsync.training import LipReaderTraining

SLOTS = [["up", "down"], ["left", "right", "on"]]
FRAMES, SIZE = 24, 32


def reader(**options):
    torch.manual_seed(0)
    return LipReader(
        SLOTS, **{"width": 8, "hidden": 16, "image_size": SIZE, "dropout": 0.0} | options
    )


def test_grid_s_names_spell_its_sentences():
    assert grid_sentence("s1/bbaf2n") == "bin blue at f two now"
    assert grid_sentence("swwzza") == "set white with z zero again"
    assert grid_sentence("s4/unk_sayam") is None
    assert grid_sentence("s1/bbaw2n") is None  # GRID has no w
    config = compose_slots()
    assert [tuple(slot) for slot in config] == list(GRID_SLOTS)


def compose_slots():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", ["model=lipreader", "data=grid"]).model.reader.slots


def test_the_likeliest_sentence_is_that_of_all_paths():
    network, frames = reader(), 5
    scores = torch.log_softmax(
        torch.randn(frames, 6, generator=torch.Generator().manual_seed(3)) * 2, -1
    )
    best = {}
    for path in product(range(6), repeat=frames):
        spoken = [a for a, b in pairwise((*path, None)) if a != b and a]
        if len(spoken) == 2 and spoken[0] in (1, 2) and spoken[1] in (3, 4, 5):
            score = sum(float(scores[t, k]) for t, k in enumerate(path))
            best[tuple(spoken)] = max(score, best.get(tuple(spoken), -np.inf))
    expected = [network.words[k - 1] for k in max(best, key=best.get)]
    assert network.likeliest(scores) == expected
    with pytest.raises(ValueError, match="1 frames are too few for 2 words"):
        network.likeliest(scores[:1])


def test_a_reader_sees_the_mouth_and_its_neighbours_in_time():
    network, faces = reader().eval(), torch.rand(1, 20, 3, SIZE // 2, SIZE)
    seen = network.look(faces)
    assert seen.shape == (1, 20, 24)
    words, sounds = network(faces)
    assert words.shape == (1, 20, 6)
    assert sounds.shape == (1, 20, 1 + len(network.sounds))
    assert torch.allclose(words.exp().sum(-1), torch.ones(1, 20))
    border = faces.clone()
    border[..., :6], border[..., 14:, :] = 0, 0
    assert torch.allclose(network.look(border), seen)  # outside the mouth region
    assert torch.allclose(network.look(0.5 * faces + 0.4), seen, atol=0.3)  # different lighting


def test_blocks_see_the_frame_before_and_behind():
    block = reader().eval().blocks[0]
    film = torch.rand(7, 8, 6, 6)
    other = film.clone()
    other[3] = 0
    changed = (block(film, 7) - block(other, 7)).abs().amax(dim=(1, 2, 3)) > 1e-6
    assert changed.tolist() == [False, False, True, True, True, False, False]
    clips = torch.cat([film, other])  # and nothing of another clip
    assert torch.allclose(block(clips, 7)[:7], block(film, 7), atol=1e-5)


def test_a_clip_and_its_mirror_image_are_read_alike():
    network, faces = reader().eval(), torch.rand(20, 3, SIZE // 2, SIZE)
    assert network.read(faces) == network.read(faces.flip(-1))
    with torch.inference_mode():
        scores = network(torch.stack([faces, faces.flip(-1)]))[0]
    assert network.read(faces) == network.likeliest(scores.exp().mean(0).log())


@pytest.fixture
def spoken(tmp_path):
    """Clips whose brightness encodes the words, by its motion in either half."""
    rng, keys, lines = np.random.default_rng(0), [], ["name,text"]
    for number, (one, two) in enumerate(list(product(range(2), range(3))) * 2):
        level = np.full(FRAMES, 100.0)
        level[4:9] += (60, -60)[one]
        level[14:20] += (50, -50, 90)[two]
        noise = rng.integers(0, 30, (FRAMES, SIZE, SIZE, 3))
        faces = (level[:, None, None, None] + noise).clip(0, 255).astype(np.uint8)
        faces[:, : SIZE // 2] = 128
        key = f"p{number % 2}/{number}"
        write_clip(tmp_path, key, faces=faces, wave=np.zeros(FRAMES * 640, np.float32), info={})
        keys.append(key)
        lines.append(f"{key},{SLOTS[0][one]} {SLOTS[1][two]}")
    for split in ("train", "val", "test"):
        write_split(tmp_path, split, keys)  # the same: only learning is tested
    (tmp_path / "transcripts.csv").write_text("\n".join(lines))
    return tmp_path


def module(hidden=16, **options):
    options = {"loss": {"words": 1.0, "sounds": 0.5}, "masks": (0, 0)} | options
    given = reader(hidden=hidden)
    return LipReaderTraining(given, optimizer=ADAM, schedule=CONSTANT, **options)


def data(root, batches, **options):
    told = {"transcripts": root / "transcripts.csv", "frames": FRAMES + 2} | options
    return ClipDataModule(
        root,
        lambda *given: DrawnSentences(*given, **told),
        lambda *given, **more: Sentences(*given, **told, **more),
        image_size=SIZE,
        framing="aligned_tight",
        batch_size=6,
        eval_batch_size=1,
        batches_per_epoch=batches,
    )


@pytest.mark.slow
def test_it_learns_to_read(spoken, tmp_path):
    model = module(hidden=32, stretch=0.05, jumps=0.0)
    model.make_optimizer = lambda parameters: torch.optim.Adam(parameters, 5e-3)
    run = trainer(tmp_path, max_epochs=1)
    run.fit(model, datamodule=data(spoken, 160))
    assert float(run.callback_metrics["val/word_error"]) < 0.35  # untrained: 0.58
    run.save_checkpoint(tmp_path / "read.ckpt")
    again = load_model(tmp_path / "read.ckpt")
    assert isinstance(again, LipReader)
    save_model(again, tmp_path / "read.safetensors")
    faces = torch.rand(FRAMES, 3, SIZE // 2, SIZE)
    assert load_model(tmp_path / "read.safetensors").read(faces) == again.read(faces)


def test_pace_jumps_and_masks_move_whole_frames():
    model, numbers = module(stretch=0.25, jumps=0.2), torch.arange(1, 41, dtype=torch.uint8)
    faces = numbers.view(1, 40, 1, 1, 1).expand(64, 40, 2, 4, 3)
    lengths = torch.tensor([40, 30] * 32)
    shown = (model.augment_clips(faces, lengths)[:, :, 0, 0, 0] * 255).round().long()
    assert shown.shape == (64, 50)
    assert (shown.diff(dim=1) >= 0).all()
    assert int(shown.diff(dim=1).max()) in (2, 3)
    assert shown[::2].max() == 40
    assert shown[1::2].max() == 30  # no padding frames
    told = [int((row == row[0]).sum()) for row in shown]
    assert len(set(told)) > 3  # a varying rest before the sentence
    model.masks = (1, 6)
    masked = model.augment_clips(faces, lengths)[..., 0, 0, 0]
    runs = (masked - masked.mean(dim=1, keepdim=True)).abs() < 1e-2
    assert runs.any()
    still = module(stretch=0.0, jumps=0.0).augment_clips(faces, lengths)
    assert torch.equal((still[0, :, 0, 0, 0] * 255).round(), numbers.float())


def test_the_recipe_trains_and_tests(spoken, tmp_path):
    done = train(
        "model=lipreader",
        *tiny(spoken, tmp_path / "run"),
        "model.reader.slots=[[up,down],[left,right,'on']]",
        "model.reader.spelling=null",
        f"data.image_size={SIZE}",
        "model.reader.width=8",
        "model.reader.hidden=8",
        "trainer.ema=0.9",
        f"data.train.transcripts={spoken / 'transcripts.csv'}",
        "data.batch_size=2",
        "trainer.batches=2",
        "trainer.val_every=1",
        "test=true",
    )
    assert done.returncode == 0, done.stderr
    assert "test/word_error" in (tmp_path / "run" / "test.json").read_text()


def test_sentences_of_another_form_are_an_error():
    model = module()
    for text in ("up", "left up", "up left on", "up sideways"):
        with pytest.raises(ClipError, match=f"p0/0: says '{text}', which is not a sentence"):
            model.word_labels({"key": ["p0/0"], "text": [text]})
    said = model.word_labels({"key": ["a"], "text": ["down on"]})
    assert said == [[2, 5]]
    sounds = model.reader.sounds
    assert [sounds[number - 1] for number in model.sound_labels(said)[0]] == list("downon")


def test_clips_without_known_words_are_left_out(spoken):
    folder = PreparedFolder(spoken)
    inputs = Inputs(SIZE, "aligned_tight")
    (spoken / "few.csv").write_text("name,text\np0/0,  UP  left \n")
    some = Sentences(folder, "train", inputs, transcripts=spoken / "few.csv", frames=30)
    assert [(s["key"], s["text"], s["length"], len(s["faces"])) for s in some] == [
        ("p0/0", "up left", FRAMES, 30)
    ]
    with pytest.raises(ConfigError, match="no transcripts for the 12 clips of train"):
        Sentences(folder, "train", inputs)
    short = Sentences(folder, "train", inputs, transcripts=spoken / "few.csv", frames=9)
    with pytest.raises(ClipError, match=r"has 24 frames, data\.frames is 9"):
        short[0]
    (spoken / "bad.csv").write_text("key,said\na,b\n")
    with pytest.raises(MediaError, match=r"bad\.csv: needs a header .* with name, text"):
        read_transcripts(spoken / "bad.csv")
    with pytest.raises(MediaError, match=r"none\.csv: cannot be read"):
        read_transcripts(spoken / "none.csv")


def test_other_slots_and_spellings_are_an_error():
    for slots in ([], [["a"], []], [["a"], ["a"]]):
        with pytest.raises(ConfigError, match="each slot needs words"):
            LipReader(slots)
    with pytest.raises(ConfigError, match="spelling has no sounds for 'right'"):
        LipReader(SLOTS, {"up": "ah p", "down": "d aw n", "left": "l eh f t", "right": " "})
