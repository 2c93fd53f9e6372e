"""The lip reader: its sentences, its training, and that nothing leads from it to a picture."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from test_configs import CONF
from test_run import tiny, train
from tiny import ADAM, CONSTANT, trainer
from torchmetrics.text import WordErrorRate as Reference

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
from lipsync.errors import ClipError, ConfigError
from lipsync.metrics import WordErrorRate
from lipsync.models import LipReader, LongSyncNet, SyncNet
from lipsync.models.lip_reader import check_eyes, look
from lipsync.training import LipReaderTraining

SLOTS = [["up", "down"], ["left", "right", "on"]]
FRAMES = 24


def eyes(**options):
    """Untrained, but for its norms: what it sees differs from frame to frame."""
    torch.manual_seed(0)
    network = LongSyncNet(width=0.25, view="face", **options).train()
    with torch.no_grad():
        for _ in range(20):
            level = torch.rand(8, 1, 1, 1)
            network.face_moments((level + 0.1 * torch.rand(8, 15, 64, 64)).clamp(0, 1))
    return network.eval()


def reader(**options):
    return LipReader(SLOTS, **{"width": 16, "hidden": 8, "dropout": 0.0} | options)


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


def test_word_error_is_torchmetrics_own():
    rng, words = np.random.default_rng(0), ["a", "b", "c", "d"]
    one, other = (
        [" ".join(rng.choice(words, rng.integers(0, 7))) for _ in range(40)] for _ in range(2)
    )
    mine, theirs = WordErrorRate(), Reference()
    for part in (slice(0, 11), slice(11, 40)):
        mine.update(one[part], [each.split() for each in other[part]])
    theirs.update(one, other)
    assert float(mine.compute()) == pytest.approx(float(theirs.compute()))
    with pytest.raises(ValueError, match="no word was said"):
        WordErrorRate().compute()
    with pytest.raises(ValueError, match="1 sentences were read, 2 were said"):
        mine.update(["a"], ["a", "b"])


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


def test_filling_up_changes_nothing():
    network = reader().eval()
    seen = torch.randn(2, 12, 384)
    seen[1, 9:] = 99
    both = network(seen, torch.tensor([12, 9]))
    alone = network(seen[1:, :9])
    assert torch.allclose(both[1, :9], alone[0], atol=1e-5)
    assert torch.allclose(
        network(seen[:1] + 3), network(seen[:1]), atol=1e-4
    )  # its mean is taken out


def test_no_gradient_leads_to_pictures():
    network, faces = eyes(), torch.rand(7, 3, 96, 96, requires_grad=True)
    seen = look(network, faces)
    assert seen.shape == (7, 384)
    assert not seen.requires_grad
    assert not network.face_encoder[-3]._forward_hooks
    moments = network.cut_faces(faces.flatten(0, 1)[None])[0]
    assert torch.allclose(seen[2:5, 256:], network.face_moments(moments), atol=1e-4)


@pytest.fixture
def spoken(tmp_path):
    """Clips whose brightness says the words: how it moves first, and then."""
    rng, keys, lines = np.random.default_rng(0), [], ["name,text"]
    for number, (one, two) in enumerate(list(product(range(2), range(3))) * 2):
        level = np.full(FRAMES, 100.0)
        level[4:9] += (60, -60)[one]
        level[14:20] += (50, -50, 90)[two]
        noise = rng.integers(0, 30, (FRAMES, 96, 96, 3))
        faces = (level[:, None, None, None] + noise).clip(0, 255).astype(np.uint8)
        faces[:, :48] = 128
        key = f"p{number % 2}/{number}"
        write_clip(tmp_path, key, faces=faces, wave=np.zeros(FRAMES * 640, np.float32), info={})
        keys.append(key)
        lines.append(f"{key},{SLOTS[0][one]} {SLOTS[1][two]}")
    for split in ("train", "val", "test"):
        write_split(tmp_path, split, keys)  # the same: what is learnt is to be seen
    (tmp_path / "transcripts.csv").write_text("\n".join(lines))
    return tmp_path


def module(tmp_path, **options):
    name = tmp_path / "eyes.safetensors"
    if not name.exists():
        save_model(eyes(), name)
    torch.manual_seed(0)
    return LipReaderTraining(reader(eyes=str(name)), optimizer=ADAM, schedule=CONSTANT, **options)


def data(root, batches, **options):
    told = {"transcripts": root / "transcripts.csv", "frames": FRAMES + 2} | options
    return ClipDataModule(
        root,
        lambda *given: DrawnSentences(*given, **told),
        lambda *given, **more: Sentences(*given, **told, **more),
        image_size=96,
        batch_size=6,
        eval_batch_size=1,
        batches_per_epoch=batches,
    )


def test_it_learns_to_read(spoken, tmp_path):
    model = module(tmp_path, stretch=0.05, noise=0.02, masks=(0, 0))
    model.make_optimizer = lambda parameters: torch.optim.Adam(parameters, 1e-2)
    before = model.eyes.network.state_dict()["face_encoder.0.conv_block.0.weight"].clone()
    run = trainer(tmp_path, max_epochs=1)
    run.fit(model, datamodule=data(spoken, 100))
    assert float(run.callback_metrics["val/word_error"]) < 0.2
    assert len(model.kept) == 24  # each clip, and its mirror image, looked at once
    after = model.eyes.network.state_dict()["face_encoder.0.conv_block.0.weight"]
    assert torch.equal(before, after)
    run.save_checkpoint(tmp_path / "read.ckpt")
    again = load_model(tmp_path / "read.ckpt")
    assert isinstance(again, LipReader)
    assert again.card["frozen"] == {"eyes": [model.eyes.sha256]}
    save_model(again, tmp_path / "read.safetensors")
    seen = look(model.eyes.network, torch.rand(FRAMES, 3, 96, 96))
    assert load_model(tmp_path / "read.safetensors").read(seen) == again.read(seen)


def test_the_recipe_trains_and_tests(spoken, tmp_path):
    save_model(eyes(), tmp_path / "eyes.safetensors")
    done = train(
        "model=lipreader",
        *tiny(spoken, tmp_path / "run"),
        f"model.reader.eyes={tmp_path / 'eyes.safetensors'}",
        "model.reader.slots=[[up,down],[left,right,'on']]",
        f"data.train.transcripts={spoken / 'transcripts.csv'}",
        "data.batch_size=2",
        "trainer.batches=2",
        "trainer.val_every=1",
        "test=true",
    )
    assert done.returncode == 0, done.stderr
    assert "test/word_error" in (tmp_path / "run" / "test.json").read_text()


def test_sentences_of_another_form_are_an_error(spoken, tmp_path):
    model = module(tmp_path)
    for text in ("up", "left up", "up left on", "up sideways"):
        with pytest.raises(ClipError, match=f"p0/0: says '{text}', which is not a sentence"):
            model.labels({"key": ["p0/0"], "text": [text]})
    assert model.labels({"key": ["a"], "text": ["down on"]}).tolist() == [[2, 5]]


def test_clips_without_known_words_are_left_out(spoken):
    folder = PreparedFolder(spoken)
    inputs = Inputs(96, "box")
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
    for name in ("bad.csv", "none.csv"):
        with pytest.raises(ConfigError, match="write a CSV with columns name and text"):
            read_transcripts(spoken / name)


def test_other_eyes_and_slots_are_an_error():
    with pytest.raises(ConfigError, match="SyncNet is not a LongSyncNet"):
        check_eyes(SyncNet(width=0.1, depth=0), reader())
    with pytest.raises(ConfigError, match="see faces of framing box, but the reader aligned"):
        check_eyes(eyes(), reader(framing="aligned"))
    for slots in ([], [["a"], []], [["a"], ["a"]]):
        with pytest.raises(ConfigError, match="each slot needs words"):
            LipReader(slots)
