"""What every network of the package is: a module that says how it was built."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn


class Network(nn.Module):
    """Base of all networks that are saved, loaded and exchanged.

    Subclasses set ``config`` to the arguments of their constructor, in plain values: it goes into
    checkpoints and model cards, and builds the network again. A subclass is known by its name once
    its module is imported, also one from outside the package.

    Attributes:
        config: arguments of the constructor.
        use: what a file of such weights can be used for, in one line.
        kinds: class name -> class, of all networks whose modules are imported.
    """

    config: dict[str, Any]
    use: ClassVar[str] = "train on from Python"
    kinds: ClassVar[dict[str, type[Network]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Network.kinds[cls.__name__] = cls
