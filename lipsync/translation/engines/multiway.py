"""One model for many languages: NLLB-200 (NLLB Team 2022) or M2M-100 (Fan et al. 2020)."""

from __future__ import annotations

from typing import Any

from lipsync.errors import StageError, install_extra
from lipsync.languages import language
from lipsync.translation.engines import hub
from lipsync.translation.engines.base import Engine

_FILES = ("*.json", "*.safetensors", "pytorch_model*.bin", "*.model", "*.txt")
_LONGEST = 256  # tokens per line
_BEAMS, _MANY = 4, 12


class Multiway(Engine):
    """Translation between any two languages with one sequence-to-sequence model.

    Args:
        model: a folder, or a repository of the hub.
        device: e.g. ``cuda``.
    """

    stage, package, module = "translate", "transformers", "transformers"
    get = f"{install_extra('translate')} (weights are fetched at the first use)"

    def __init__(self, model: str, device: str = "cpu") -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        self.name = f"multiway:{model}"
        folder = hub.hub_folder("translate", model, "--translator nllb:FOLDER", *_FILES)
        remedy = "name a folder with an NLLB-200 or M2M-100 model, as transformers saves it"
        with hub.loading("translate", f"model {model}", remedy):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            # transformers loads PyTorch weights without executing pickles
            loaded = AutoModelForSeq2SeqLM.from_pretrained(folder, local_files_only=True)
        self._model = loaded.to(device).eval()

    @classmethod
    def automatic(cls, source: str | None, target: str, fetch: bool) -> str | None:
        return cls.model if fetch or hub.in_cache(cls.model) else None

    @classmethod
    def weights(cls) -> str:
        here = "here" if hub.in_cache(cls.model) else "not here: fetched at the first use"
        return f"{cls.model} {here}"

    def translate(self, text: str, source: str, target: str) -> str:
        """One line; see :class:`~lipsync.translation.engines.base.Translator`."""
        return self._best(text, source, target, 1)[0]

    def n_best(self, text: str, source: str, target: str) -> list[str]:
        """Several translations, by a wider beam search; see the same class."""
        return [*filter(None, dict.fromkeys(self._best(text, source, target, _MANY)))]

    def _best(self, text: str, source: str, target: str, count: int) -> list[str]:
        """The ``count`` best translations, best first."""
        import torch

        source_code, _ = self._code(source)
        _, target_token = self._code(target)
        self._tokenizer.src_lang = source_code
        batch = self._tokenizer(text, return_tensors="pt", truncation=True, max_length=_LONGEST)
        with torch.inference_mode():
            tokens = self._model.generate(
                **batch.to(self._model.device),
                forced_bos_token_id=target_token,
                num_beams=max(_BEAMS, count),
                num_return_sequences=count,
                max_new_tokens=_LONGEST,
            )
        spoken = tokens[:, 2:]  # after the start and language tokens
        texts = self._tokenizer.batch_decode(spoken, skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _code(self, code: str) -> tuple[str, int]:
        """The model's code of a language, and its token."""
        known = language(code)
        m2m = hasattr(self._tokenizer, "lang_code_to_token")
        name = known.code if m2m else known.flores
        token = f"__{name}__" if m2m else name
        number = self._tokenizer.convert_tokens_to_ids(token)
        if number is None or number == self._tokenizer.unk_token_id:
            raise StageError(
                "translate",
                f"{self.name} does not know the language '{code}'",
                "use another --translator",
            )
        return name, number


class NLLB(Multiway):
    """NLLB-200: more languages, with codes of its own."""

    kind, model = "nllb", "facebook/nllb-200-distilled-600M"
    about = "200 languages; weights CC-BY-NC"


class M2M100(Multiway):
    """M2M-100: freely licensed weights."""

    kind, model = "m2m100", "facebook/m2m100_418M"
    about = "100 languages; weights MIT"
