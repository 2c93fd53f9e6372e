"""The models that come with the package."""

from __future__ import annotations

from importlib import resources


def bundled_models() -> list[str]:
    """Names of the models that come with the package."""
    folder = resources.files("lipsync") / "weights"
    if not folder.is_dir():
        return []
    names = (entry.name for entry in folder.iterdir())
    return sorted(
        name.removesuffix(".safetensors") for name in names if name.endswith(".safetensors")
    )
