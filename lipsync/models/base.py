"""What every network of the package is: a module that says how it was built."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import torch
from torch import nn

from lipsync.errors import ConfigError
from lipsync.plugins import register


class Network(nn.Module):
    """Base of all networks that are saved, loaded and exchanged.

    Subclasses set ``config`` to the arguments of their constructor, in plain values: it is stored
    in checkpoints and model cards, and rebuilds the network. A subclass, even one from outside the
    package, is registered by its name once its module is imported.

    Attributes:
        config: constructor arguments.
        card: the model card; only for networks that were loaded from a file.
        use: what such weights can be used for, in one line.
        kinds: class name -> class, for all networks whose modules are imported.
    """

    config: dict[str, Any]
    card: dict[str, Any]
    use: ClassVar[str] = "train on from Python"
    kinds: ClassVar[dict[str, type[Network]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        register(Network.kinds, cls.__name__, cls)


def check_network(option: str, network: Any, kind: type[Network], needs: tuple[str, ...]) -> None:
    """Raise ConfigError for a network that could not be trained, or not be loaded again.

    Args:
        option: where it was given.
        network: what was given there.
        kind: what it must be.
        needs: what its ``config`` must have.
    """
    name = type(network).__name__
    if not isinstance(network, kind):
        raise ConfigError(f"{option}: {name} is not a {kind.__name__}")
    config = getattr(network, "config", {})
    if missing := [each for each in needs if each not in config]:
        raise ConfigError(f"{option}: the config of {name} lacks {', '.join(missing)}")
    try:
        json.dumps(config)
        with torch.device("meta"):  # no memory
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
