"""Base class of all networks: a module that can be rebuilt from its config."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import torch
from torch import nn

from lipsync.errors import ConfigError
from lipsync.plugins import register


class Network(nn.Module):
    """Base of all networks that are saved, loaded and exchanged.

    Subclasses set ``config`` to their constructor arguments as plain values; it is stored in
    checkpoints and model cards, and the network is rebuilt from it. Importing a subclass registers
    it by its class name, including subclasses from outside the package.

    Attributes:
        config: constructor arguments.
        card: model card; only set on networks loaded from a file.
        use: one line on what the weights can be used for.
        kinds: registry of all imported subclasses, class name -> class.
    """

    config: dict[str, Any]
    card: dict[str, Any]
    use: ClassVar[str] = "train on from Python"
    kinds: ClassVar[dict[str, type[Network]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        register(Network.kinds, cls.__name__, cls)


def check_network(option: str, network: Any, kind: type[Network], needs: tuple[str, ...]) -> None:
    """Raise ConfigError for a network that cannot be trained, or cannot be rebuilt from its config.

    Args:
        option: name of the option, for error messages.
        network: value of the option.
        kind: required base class.
        needs: keys that its ``config`` must have.
    """
    name = type(network).__name__
    if not isinstance(network, kind):
        raise ConfigError(f"{option}: {name} is not a {kind.__name__}")
    config = getattr(network, "config", {})
    if missing := [each for each in needs if each not in config]:
        raise ConfigError(f"{option}: the config of {name} lacks {', '.join(missing)}")
    try:
        json.dumps(config)
        with torch.device("meta"):  # allocates no memory
            again = type(network)(**config)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{option}: {name} cannot be rebuilt from its config ({error})"
        ) from error
    shapes, there = ({n: v.shape for n, v in m.state_dict().items()} for m in (again, network))
    if shapes != there:
        other = sorted(n for n in {*shapes, *there} if shapes.get(n) != there.get(n))
        raise ConfigError(
            f"{option}: {name} rebuilt from its config differs in {other[0]}; the config needs "
            "every argument of the constructor"
        )
