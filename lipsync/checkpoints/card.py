"""A model card as a hub page: metadata for search, then the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from lipsync.checkpoints.loading import network_class

_LICENCES = (  # known to the hub, and likely for weights
    "apache-2.0",
    "mit",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "gpl-3.0",
)
_METRICS = {"accuracy": "accuracy", "AUC": "roc_auc", "PSNR": "psnr", "SSIM": "ssim"}
_TEXTS = {"data": "Training data", "training": "Training", "limits": "Limits"}
_CONSENT = (
    "A dubbed video shows a person saying what they did not say. Use it with the consent of the "
    "person shown and of the person whose voice is heard, and say where you publish that the "
    "video is synthetic."
)


def model_page(card: Mapping[str, Any], address: str) -> str:
    """The ``README.md`` of a model's repository.

    Args:
        card: as returned by :func:`lipsync.checkpoints.save_model`.
        address: the address that loads the model, ``hf://org/repo``.
    """
    header = yaml.safe_dump(_metadata(card), sort_keys=False, allow_unicode=True, width=100)
    title = card.get("name") or address.rpartition("/")[2]
    kind = network_class(card["class"])
    use = "" if kind is None else kind.use.replace("FILE", address)
    parts = [
        f"---\n{header}---",
        f"# {title}",
        _sentence(card.get("what") or f"A {card['class']} of {card['parameters']:,} parameters."),
        f"```sh\npip install lipsync-lab\n```\n\n```python\nimport lipsync\n\n"
        f'model = lipsync.from_pretrained("{address}")\n```',
        *([f"Use: {use}."] if use else []),
    ]
    for key, heading in _TEXTS.items():
        if card.get(key):
            parts.append(f"## {heading}\n\n{_sentence(card[key])}")
    if numbers := _numbers(card):
        rows = "\n".join(f"| {_cell(name)} | {value} |" for name, value in numbers.items())
        parts.append(f"## Measured\n\n| what | value |\n| --- | ---: |\n{rows}")
    config = yaml.safe_dump(dict(card["config"]), sort_keys=False, allow_unicode=True)
    parts.append(
        f"## The file\n\n`{card['class']}`, {card['parameters']:,} parameters, {card['dtype']}, "
        f"SHA-256 `{card['sha256']}`, written by lipsync {card['lipsync_version']}.\n\n"
        f"```yaml\n{config}```"
    )
    parts.append(f"## Consent\n\n{_CONSENT}")
    return "\n\n".join(parts) + "\n"


def _metadata(card: Mapping[str, Any]) -> dict[str, Any]:
    """The page's metadata: licence, tags, library, metrics, results."""
    numbers = _numbers(card)
    found: dict[str, Any] = {}
    licence = str(card.get("licence") or "")
    if licence.lower() in _LICENCES:
        found["license"] = licence.lower()
    elif licence:
        found |= {"license": "other", "license_name": licence}
    found["library_name"] = "lipsync"
    found["tags"] = ["lip-sync", "talking-head", "video", str(card["class"]).lower()]
    if not numbers:
        return found
    kinds = {name: _metric(name) for name in numbers}
    found["metrics"] = sorted({kind for kind in kinds.values() if kind != "other"})
    results = [{"type": kinds[n], "name": n, "value": value} for n, value in numbers.items()]
    found["model-index"] = [
        {
            "name": str(card.get("name") or card["class"]),
            "results": [
                {
                    "task": {"type": "lip-sync", "name": "Lip sync"},
                    "dataset": {"type": "video", "name": "held-out clips, see below"},
                    "metrics": results,
                }
            ],
        }
    ]
    return found


def _numbers(card: Mapping[str, Any]) -> dict[str, float]:
    measured = card.get("metrics")
    if not isinstance(measured, Mapping):
        return {}
    return {str(k): v for k, v in measured.items() if isinstance(v, int | float)}


def _metric(name: str) -> str:
    """The hub's name of a metric, by keywords in ours."""
    return next((known for word, known in _METRICS.items() if word in name), "other")


def _sentence(text: Any) -> str:
    text = str(text).strip()
    return text if text.endswith(".") else f"{text}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
