"""Footage shared by several tests."""

from pathlib import Path

import pytest

from lipsync.sample import make_sample_corpus


@pytest.fixture(scope="session")
def generated_people(tmp_path_factory) -> list[Path]:
    """Videos of three synthetic people, 3 s each, 160 x 160 pixels."""
    folder = tmp_path_factory.mktemp("people")
    options = {"speakers": 3, "clips": 2, "seconds": 3, "size": 160}
    root = make_sample_corpus(folder, workers=1, progress=False, **options)
    return sorted(root.glob("*/00001.mp4"))
