"""Upload of networks to the Hugging Face Hub: weights as safetensors, the card as the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from lipsync.checkpoints.card import model_page
from lipsync.checkpoints.hub import MAIN_FILE, SCHEME, endpoint, token
from lipsync.checkpoints.origin import card_of
from lipsync.checkpoints.saving import save_card, save_model
from lipsync.errors import CheckpointError, install_extra


def push_to_hub(
    model: nn.Module | str | Path, repo: str, *, card: Mapping[str, Any] | None = None
) -> str:
    """Upload a model and its card; :func:`load_model` reads it from the returned address.

    A new repository is private; make it public on its page. One commit adds ``model.safetensors``
    and ``README.md``; other files of the repository are kept.

    Args:
        model: a network of :mod:`lipsync.models`, or an argument of :func:`load_model`.
        repo: ``org/repo``, with or without ``hf://``.
        card: plain values for its card, such as ``name``, ``what``, ``data``, ``licence``,
            ``metrics`` (name -> number) and ``limits``, added to its own card.

    Returns:
        ``hf://org/repo@commit``.

    Raises:
        CheckpointError: a model that cannot be read, a card without a licence, no extra ``hub``, no
            permission or no network; one line with the remedy.
    """
    repo = repo.removeprefix(SCHEME)
    address = SCHEME + repo
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", repo):
        raise CheckpointError(address, "is not a repository", f"name {SCHEME}org/repo")
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        problem = "the extra hub is not installed"
        raise CheckpointError(address, problem, install_extra("hub")) from error
    with TemporaryDirectory() as made:
        folder = Path(made)
        full = _write(model, folder / MAIN_FILE, card or {})
        if not full.get("licence"):
            problem = "its card states no licence, which publishing requires"
            remedy = 'add one from Python: push_to_hub(..., card={"licence": "CC-BY-4.0"})'
            raise CheckpointError(address, problem, remedy)
        (folder / "README.md").write_text(model_page(full, address), encoding="utf-8")
        (folder / f"{MAIN_FILE}.json").unlink()  # the card is also inside the file
        api = HfApi(endpoint=endpoint(), token=token(), library_name="lipsync")
        try:
            api.create_repo(repo, private=True, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo, folder_path=folder, commit_message="Upload with lipsync"
            )
        except Exception as error:  # the library raises all kinds
            raise CheckpointError(address, *_refusal(error)) from error
    return f"{address}@{commit.oid}"


def _write(model: nn.Module | str | Path, path: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(model, nn.Module):
        return save_model(model, path, {**card_of(model), **card})
    return save_card(model, path, card)


def _refusal(error: Exception) -> tuple[str, str]:
    """Problem and remedy for an error of the hub's library."""
    code = getattr(getattr(error, "response", None), "status_code", None)
    if code in (401, 403):
        remedy = "set HF_TOKEN to a token with write access, or run `hf auth login`"
        return f"the hub refused the upload ({code})", remedy
    reason = " ".join(str(error).split()) or type(error).__name__
    if code is not None:
        return f"the hub answered {code} ({reason})", "nothing was committed; try again"
    return (
        f"{endpoint()} cannot be reached ({reason})",
        "nothing was committed; try again when online",
    )
