"""Options of the data module that cannot work."""

import pytest

from lipsync.data.module import ClipDataModule
from lipsync.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        ("batch_size", "ten", 1),
        ("batch_size", 0, 1),
        ("eval_batch_size", None, 1),
        ("workers", "two", 0),
        ("workers", 1.5, 0),
    ],
)
def test_numbers_that_cannot_work_are_one_line_before_any_data(tmp_path, name, value, least):
    numbers = {"batch_size": 4, "eval_batch_size": 4, "workers": 0} | {name: value}
    problem = rf"^data\.{name}={value}: must be a whole number, {least} or more$"
    with pytest.raises(ConfigError, match=problem):
        ClipDataModule(tmp_path, None, None, image_size=96, batches_per_epoch=1, **numbers)
