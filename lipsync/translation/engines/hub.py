"""Weights: local if available, else downloaded, else a one-line error with the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lipsync.errors import StageError


def hub_folder(stage: str, repository: str, option: str, *patterns: str) -> Path:
    """The local folder of a hub repository, limited to files that match ``patterns``."""
    from huggingface_hub import snapshot_download

    fetch = partial(snapshot_download, repository, allow_patterns=list(patterns))
    return local_folder(stage, repository, option, fetch)


def local_folder(stage: str, model: str, option: str, fetch: Callable[..., str]) -> Path:
    """The local folder of a model, downloaded only if it is not on this machine.

    Args:
        stage: the stage that needs it, for messages.
        model: a folder, or the name of a model on the hub.
        option: the command-line option that names a folder, for the remedy.
        fetch: finds or downloads the model; takes ``local_files_only``.

    Raises:
        StageError: not available locally, and cannot be downloaded.
    """
    if Path(model).is_dir():
        return Path(model)
    try:
        return Path(fetch(local_files_only=True))
    except (OSError, ValueError):
        pass
    try:
        return Path(fetch(local_files_only=False))
    except (OSError, ValueError) as error:
        raise StageError(
            stage,
            f"model {model} is not on this machine and cannot be downloaded ({_reason(error)})",
            f"download it on a machine with a network, and name its folder with {option}",
        ) from None


@contextmanager
def loading(stage: str, what: str, remedy: str) -> Iterator[None]:
    """Turn any error while loading a model into a StageError; the libraries raise all kinds."""
    try:
        yield
    except Exception as error:
        problem = f"{what} cannot be loaded ({_reason(error)})"
        raise StageError(stage, problem, remedy) from None


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def in_cache(repository: str) -> bool:
    """Whether a repository's configuration is in the hub's cache; does not use the network."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    return isinstance(try_to_load_from_cache(repository, "config.json"), str)
