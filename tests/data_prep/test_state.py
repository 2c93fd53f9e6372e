from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from data_prep.options import STAGES, Options
from data_prep.state import PICTURE, State, picture_in


def test_a_result_is_found_by_what_it_was_made_from(tmp_path: Path) -> None:
    state = State(tmp_path, "s/a")
    assert state.get("look", "1") is None
    assert state.latest("look") is None
    state.put("look", "1", {"frames": 3})
    assert State(tmp_path, "s/a").get("look", "1") == {"frames": 3}
    assert state.get("look", "2") is None
    assert state.latest("look") == {"frames": 3}
    (tmp_path / ".state/s/a/look.json").write_text('{"from": "1", "val')
    assert state.get("look", "1") is None


def test_forgetting_a_stage_forgets_those_behind_it(tmp_path: Path) -> None:
    state = State(tmp_path, "s/a")
    for stage in STAGES:
        state.put(stage, "1", {"keys": [stage]})
    state.forget("pieces")
    assert [stage for stage in STAGES if state.get(stage, "1")] == ["probe", "look"]
    assert state.latest("clips") == {"keys": ["clips"]}


def test_the_digest_is_computed_when_the_file_changes(tmp_path: Path) -> None:
    file, state = tmp_path / "x.mp4", State(tmp_path, "s/a")
    assert state.cached_digest(file) is None
    assert state.digest(file) == ""
    file.write_bytes(b"one")
    first = state.digest(file)
    assert state.cached_digest(file) == first
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert state.cached_digest(file) is None
    assert state.digest(file) not in ("", first)


def test_fingerprints_change_from_the_stage_that_an_option_concerns() -> None:
    def changed(**options: object) -> list[str]:
        one = Options().fingerprints("digest")
        other = Options(**options).fingerprints("digest")
        return [stage for stage in STAGES if one[stage] != other[stage]]

    assert changed() == []
    assert changed(stride=4) == ["look", "pieces", "mouths", "sync", "clips"]
    assert changed(max_turn=0.5) == ["pieces", "mouths", "sync", "clips"]
    assert changed(max_offset=3) == ["clips"]
    one, other = (Options().fingerprints("d", judge) for judge in "ab")
    assert [stage for stage in STAGES if one[stage] != other[stage]] == ["sync", "clips"]
    every = {name for names in STAGES.values() for name in names}
    every = every - {"min_detection_height"} | {"smallest_face"}  # which it comes from
    assert every == set(Options.__dataclass_fields__)  # none is forgotten


def test_pictures_come_back_by_their_number(tmp_path: Path) -> None:
    state = State(tmp_path, "s/a")
    assert picture_in(state.pictures(), 0) is None
    state.put("clips", "1", {})
    greys = [i % 250 for i in range(605)]  # more than one row of the sheet
    state.put_pictures([np.full((PICTURE, PICTURE, 3), grey, np.uint8) for grey in greys])
    for i in (0, 1, 599, 600, 604):
        assert abs(float(picture_in(state.pictures(), i).mean()) - greys[i]) < 3
    assert picture_in(state.pictures(), 2000) is None
    state.put_pictures([])
    assert picture_in(state.pictures(), 0) is None
