"""MMS (Pratap et al. 2023): VITS voices in eleven hundred languages, through transformers."""

from __future__ import annotations

from typing import Any

import numpy as np

from lipsync.errors import StageError, install_extra
from lipsync.languages import language as look_up
from lipsync.translation.engines import hub
from lipsync.translation.engines.base import Engine
from lipsync.translation.text_normalisation import normalise_text

_FILES = ("*.json", "*.safetensors", "pytorch_model.bin", "*.txt")
_OWN_CODES = {  # where its codes differ from our language table
    "ur": "urd-script_arabic", "ar": "ara", "fa": "fas", "ms": "zlm", "lv": "lav", "sq": "sqi",
    "mn": "mon", "uz": "uzb-script_cyrillic",
}  # fmt: skip


def repository(code: str) -> str:
    """The hub repository of a language's voice."""
    return f"facebook/mms-tts-{_OWN_CODES.get(code, look_up(code).iso3)}"


class MMS(Engine):
    """One VITS voice per language.

    Args:
        model: a folder with a voice, or a repository; by default that of the language.
        device: e.g. ``cuda``.
    """

    stage, kind, package, module = "speak", "mms", "transformers", "transformers"
    get = install_extra("translate")
    about = "1100 languages, neural; weights CC-BY-NC"

    def __init__(self, model: str = "", device: str = "cpu") -> None:
        import transformers  # noqa: F401 - missing, it is said at once

        self.name = f"mms:{model}"
        self._given, self._device = model, device
        self._loaded: dict[str, tuple[Any, Any]] = {}

    @classmethod
    def automatic(cls, source: str | None, target: str, fetch: bool) -> str | None:
        return "" if fetch or hub.in_cache(repository(target)) else None

    @classmethod
    def weights(cls) -> str:
        return "a voice is downloaded at its first use"

    def speak(self, text: str, language: str) -> tuple[np.ndarray, int]:
        """One line; see :class:`~lipsync.translation.engines.base.Speaker`."""
        import torch

        text = normalise_text(text, language)
        model, tokenizer = self._load(self._given or repository(language))
        try:
            batch = tokenizer(text, return_tensors="pt")
        except ImportError:
            raise StageError(
                "speak",
                f"the voice for '{language}' reads Latin letters only",
                "pip install uroman, which romanises other scripts",
            ) from None
        if not batch["input_ids"].shape[-1]:
            raise StageError(
                "speak",
                f"the voice for '{language}' cannot pronounce: {text[:60]}",
                "write the line in the script of its language",
            )
        with torch.inference_mode(), torch.random.fork_rng():
            torch.manual_seed(0)  # reproducible speech
            wave = model(**batch.to(self._device)).waveform[0]
        return wave.float().cpu().numpy(), int(model.config.sampling_rate)

    def _load(self, name: str) -> tuple[Any, Any]:
        if name not in self._loaded:
            from transformers import AutoTokenizer, VitsModel

            folder = hub.hub_folder("speak", name, "--tts mms:FOLDER", *_FILES)
            remedy = "name a folder with a VITS model, as transformers saves it"
            with hub.loading("speak", f"model {name}", remedy):
                tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
                model = VitsModel.from_pretrained(folder, local_files_only=True)
            self._loaded[name] = model.to(self._device).eval(), tokenizer
        return self._loaded[name]
