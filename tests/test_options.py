"""Options in dataclasses: types from annotations, choices and bounds with the default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import numpy as np
import pytest

from lipsync.errors import ConfigError
from lipsync.options import check_kind, check_names, check_options, option, read_options_file


@dataclass
class Some:
    size: int = option(4, least=1)
    rate: float | None = option(None, least=0.5, most=2)
    how: str = option("fast", choices=("fast", "well"))
    free: bool = True


@pytest.mark.parametrize(
    "good", [{}, {"size": np.int64(3)}, {"rate": 1}, {"rate": Fraction(1, 2)}, {"free": False}]
)
def test_what_may_be_chosen(good):
    check_options(Some(**good))


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ({"size": 0}, "size must be 1 or more, got 0"),
        ({"size": True}, "size must be int, got True"),
        ({"rate": 2.5}, r"rate must be 0.5 to 2, got 2.5"),
        ({"rate": "1"}, "rate must be float or null, got '1'"),
        ({"how": "badly"}, "how must be one of fast, well, got 'badly'"),
        ({"how": None}, "how must be str, got None"),
        ({"free": 1}, "free must be bool, got 1"),
    ],
)
def test_what_may_not_be_is_one_line(bad, problem):
    with pytest.raises(ConfigError, match=problem):
        check_options(Some(**bad))


def test_objects_pass_where_a_class_is_named_and_nowhere_else():
    check_kind("detector", object(), "str | Detector")
    for value, annotation in ((object(), "str"), ([1], "str | Detector"), (date.today(), "Path")):
        with pytest.raises(ConfigError, match="detector must be"):
            check_kind("detector", value, annotation)


def test_files_of_options_and_their_names(tmp_path):
    path = tmp_path / "o.yaml"
    path.write_text("min-face: 3\nhow: well\n")
    assert read_options_file(path) == {"min_face": 3, "how": "well"}
    with pytest.raises(ConfigError, match=r"o\.yaml: unknown option 'min_face'; available: how"):
        check_names(path, read_options_file(path), ["how"])
    for text, problem in (("", "contains no options"), ("[", "is not YAML")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=problem):
            read_options_file(path)
