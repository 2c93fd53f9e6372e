"""Translation and speech with transformers: tiny networks of the real architectures."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lipsync.errors import StageError

transformers = pytest.importorskip("transformers", reason="needs the extra 'translate'")
spm = pytest.importorskip("sentencepiece", reason="needs the extra 'translate'")

from lipsync.translation.engines.mms import MMS  # noqa: E402
from lipsync.translation.engines.multiway import Multiway  # noqa: E402

WORDS = {
    "en": "good morning friend",
    "hi": "नमस्ते मित्र",
    "te": "శుభోదయం మిత్రమా",
    "ml": "സുപ്രഭാതം സുഹൃത്തേ",
    "ta": "காலை வணக்கம்",
    "ur": "صبح بخیر دوست",
    "es": "buenos días amigo",
}
FLORES = {
    "en": "eng_Latn", "hi": "hin_Deva", "te": "tel_Telu", "ml": "mal_Mlym",
    "ta": "tam_Taml", "ur": "urd_Arab", "es": "spa_Latn",
}  # fmt: skip


def pieces(folder: Path) -> list[str]:
    """A sentencepiece model of the words above in ``folder``, and its pieces."""
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter([*WORDS.values()] * 4), model_writer=model, vocab_size=120,
        character_coverage=1.0, bos_id=0, pad_id=1, eos_id=2, unk_id=3, hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    (folder / "sentencepiece.bpe.model").write_bytes(model.getvalue())
    known = spm.SentencePieceProcessor(model_proto=model.getvalue())
    return [known.id_to_piece(k) for k in range(known.get_piece_size())]


def m2m_tokenizer(folder: Path):
    vocab = folder / "vocab.json"
    vocab.write_text(json.dumps({piece: k for k, piece in enumerate(pieces(folder))}))
    return transformers.M2M100Tokenizer(str(vocab), str(folder / "sentencepiece.bpe.model"))


def nllb_tokenizer(folder: Path):
    letters = sorted(set("".join(WORDS.values()).replace(" ", "▁")) | {"▁"})
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocab = {token: k for k, token in enumerate([*special, *letters])}
    return transformers.NllbTokenizer(vocab=vocab, merges=[])


CODES = {
    "m2m100": {code: code for code in WORDS if code != "te"},  # it has no Telugu
    "nllb": FLORES,
}
TOKENIZERS = {"m2m100": m2m_tokenizer, "nllb": nllb_tokenizer}


def teach(tokenizer, codes: dict[str, str]):
    """A network that has memorised the words of every language.

    The source language has no effect; only the forced first token selects the target language.
    """
    torch.manual_seed(0)
    network = transformers.M2M100ForConditionalGeneration(
        transformers.M2M100Config(
            vocab_size=len(tokenizer) + 128, d_model=48, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
            decoder_ffn_dim=64, max_position_embeddings=64, dropout=0.0, attention_dropout=0.0,
            encoder_layerdrop=0.0, decoder_layerdrop=0.0, scale_embedding=False, pad_token_id=1,
            bos_token_id=0, eos_token_id=2, decoder_start_token_id=2, forced_bos_token_id=None,
        )
    )  # fmt: skip
    tokenizer.src_lang = codes["en"]
    targets = []
    for code, name in codes.items():
        tokenizer.tgt_lang = name
        targets.append(tokenizer(text_target=WORDS[code])["input_ids"])
    longest = max(map(len, targets))
    labels = torch.tensor([row + [-100] * (longest - len(row)) for row in targets])
    source = tokenizer(WORDS["en"], return_tensors="pt").input_ids.expand(len(codes), -1)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(250):
        loss = network(input_ids=source, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss < 0.01:
            break
    return network


@pytest.fixture(scope="module", params=["m2m100", "nllb"])
def saved(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    tokenizer = TOKENIZERS[request.param](folder)
    teach(tokenizer, CODES[request.param]).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


def test_the_language_that_is_asked_for_comes_out(saved: Path) -> None:
    engine = Multiway(str(saved))
    kind = "nllb" if "nllb" in str(saved) else "m2m100"
    for code in CODES[kind].keys() - {"en"}:
        assert engine.translate(WORDS["en"], "en", code) == WORDS[code]


def test_several_translations_begin_with_the_best(saved: Path) -> None:
    first, *others = Multiway(str(saved)).n_best(WORDS["en"], "en", "es")
    assert first == WORDS["es"]
    assert others
    assert first not in others


def test_a_language_that_the_model_lacks(saved: Path) -> None:
    with pytest.raises(StageError, match=r"^translate: .*does not know the language 'xyz_Latn'"):
        Multiway(str(saved)).translate("good morning", "en", "xyz_Latn")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"^translate: model .* cannot be loaded"):
        Multiway(str(tmp_path))


@pytest.fixture
def offline(monkeypatch) -> None:
    """Simulates an unreachable hub, which fails at once."""
    import huggingface_hub

    def fail(*_, **__):
        raise OSError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)


@pytest.mark.parametrize(
    ("use", "option"),
    [
        (lambda: Multiway("some/nllb"), "--translator nllb:FOLDER"),
        (lambda: MMS().speak("नमस्ते", "hi"), "--tts mms:FOLDER"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_a_model_that_cannot_be_fetched_is_one_line(use: Callable, option: str) -> None:
    with pytest.raises(StageError, match=r"cannot be downloaded \(no connection\)") as caught:
        use()
    assert option in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def voice(tmp_path_factory) -> Path:
    """A VITS voice with random weights and the letters of a Hindi greeting."""
    folder = tmp_path_factory.mktemp("voice")
    letters = sorted(set(WORDS["hi"]))
    vocab = {letter: k for k, letter in enumerate(["_", "<unk>", *letters])}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    transformers.VitsTokenizer(
        str(folder / "vocab.json"), pad_token="_", language="hin", phonemize=False
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.VitsConfig(
        vocab_size=len(vocab), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        ffn_dim=16, flow_size=16, spectrogram_bins=17, upsample_initial_channel=32,
        upsample_rates=[8, 4], upsample_kernel_sizes=[16, 8], resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]], prior_encoder_num_flows=1,
        prior_encoder_num_wavenet_layers=1, posterior_encoder_num_wavenet_layers=1,
        duration_predictor_num_flows=1,
        depth_separable_num_layers=1, duration_predictor_flow_bins=4, sampling_rate=16000,
    )  # fmt: skip
    transformers.VitsModel(config).save_pretrained(folder)
    return folder


def test_a_vits_voice_speaks_the_same_way_twice(voice: Path) -> None:
    speaker = MMS(str(voice))
    wave, rate = speaker.speak(WORDS["hi"], "hi")
    assert rate == 16000
    assert wave.dtype == np.float32
    assert wave.ndim == 1
    assert wave.size > 100
    np.testing.assert_array_equal(MMS(str(voice)).speak(WORDS["hi"], "hi")[0], wave)


def test_a_text_in_other_letters_is_refused(voice: Path) -> None:
    with pytest.raises(StageError, match="cannot pronounce"):
        MMS(str(voice)).speak("привет", "hi")
