"""Parts made from YAML: which errors are the config's, and which the code's."""

from typing import Any

import pytest
from omegaconf import OmegaConf

from lipsync.build import build, explain_keyword
from lipsync.errors import ConfigError


class Base:
    def __init__(self, size: int = 1) -> None:
        self.size = size


class Part(Base):
    def __init__(self, width: int = 1, **options: Any) -> None:
        super().__init__(**options)


class Faulty(Base):
    def __init__(self, width: int = 1, **options: Any) -> None:
        super().__init__(breadth=width)


class Forwarding(Base):
    def __init__(self, size: int) -> None:
        super().__init__(sise=size)


def config(kind: type, **options: Any):
    return OmegaConf.create({"model": {"_target_": f"{__name__}.{kind.__name__}", **options}})


@pytest.mark.parametrize("nested", [False, True])
def test_an_argument_that_no_base_takes_is_named_with_the_nearest(nested):
    whole = config(Part, sise=3)
    if nested:
        whole = OmegaConf.create({"model": {"parts": [config(Part, sise=3).model]}})
    where = "model.parts[0]" if nested else "model"
    with pytest.raises(ConfigError) as caught:
        build(whole.model)
    assert str(caught.value) == (
        f"no option {where}.sise, as {__name__}.Part has no such argument; "
        f"did you mean {where}.size?"
    )


def test_a_part_called_later_is_checked_at_once():
    with pytest.raises(ConfigError, match=r"^no option model\.sise, .* did you mean model\.size\?"):
        build(config(Base, sise=3, _partial_=True).model)
    whole = config(Part, sise=3, _partial_=True)  # only the call can tell
    make = build(whole.model)
    with pytest.raises(TypeError) as caught:
        make()
    assert explain_keyword(caught.value, whole).startswith("no option model.sise, ")


@pytest.mark.parametrize("kind", [Faulty, Forwarding])
def test_faults_in_a_constructor_are_not_hidden(kind):
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        build(config(kind, size=3).model)
