"""The models that the page offers: the bundled ones, and those named on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lipsync.checkpoints import bundled_models, load_model, network_class
from lipsync.checkpoints.loading import read_weights
from lipsync.demo.messages import Refusal
from lipsync.errors import ConfigError
from lipsync.models.generator import FaceGenerator


@dataclass
class Models:
    """Models on offer: name on the page -> bundled name or path."""

    generators: dict[str, str] = field(default_factory=dict)
    judges: dict[str, str] = field(default_factory=dict)

    def generator(self, name: object) -> str:
        """The generator with this name on the page.

        Raises:
            Refusal: there is none.
        """
        return _look_up(self.generators, name)

    def judge(self, name: object) -> str:
        """The judge with this name; errors as for :meth:`generator`."""
        return _look_up(self.judges, name)


def find_models(files: Sequence[str] = ()) -> Models:
    """The bundled models, and those in ``files``: paths, or addresses on the hub.

    Raises:
        CheckpointError: a file that cannot be loaded.
        ConfigError: a model that is neither generator nor judge, or a duplicate name.
    """
    found = Models()
    for name in bundled_models():
        _add_model(found, name, network_class(read_weights(name).model))
    for file in files:
        name = _display_name(file)
        if name in found.generators | found.judges:
            raise ConfigError(
                f"--model {file}: a model named '{name}' exists already; rename the file"
            )
        kind = type(load_model(file))
        if not _add_model(found, name, kind, file):
            what = f"--model {file}: is a {kind.__name__}"
            raise ConfigError(f"{what}, which is neither a generator nor a judge")
    return found


def _display_name(file: str) -> str:
    """The name of a file, prefixed with the run's name if it is a run's checkpoint."""
    path = Path(file)
    run = path.resolve().parent.parent.name if path.parent.name == "checkpoints" else ""
    return f"{run}/{path.stem}" if run else path.stem


def _add_model(found: Models, name: str, kind: type | None, path: str | None = None) -> bool:
    if kind is not None and issubclass(kind, FaceGenerator):
        found.generators[name] = path or name
    elif hasattr(kind, "embed_face") and hasattr(kind, "embed_audio"):
        found.judges[name] = path or name
    else:
        return False
    return True


def _look_up(names: dict[str, str], name: object) -> str:
    if not isinstance(name, str) or name not in names:
        raise Refusal("This page does not offer that model.")
    return names[name]
