"""A folder of people: a failure does not stop the others, and existing files are kept."""

import pytest

from lipsync.adapt import people
from lipsync.cli import main
from lipsync.errors import ConfigError


def test_a_folder_of_people(tmp_path, monkeypatch, capsys):
    for name in ("anna", "ben"):
        (tmp_path / "people" / name).mkdir(parents=True)
    (tmp_path / "people" / "carla.mp4").write_bytes(b"")
    asked = []

    class Found:
        seconds = 30.0

        def as_dict(self):
            return {"seconds": 30.0}

    def fake(videos, output, **options):
        asked.append((videos, options["base"]))
        if output.stem == "ben":
            raise ConfigError("only 2.0 s of the footage are usable")
        output.write_bytes(b"")
        return Found()

    monkeypatch.setattr(people, "adapt", fake)
    arguments = ["adapt", str(tmp_path / "people"), "-o", str(tmp_path / "models"), "--json"]
    with pytest.raises(SystemExit) as exit_:
        main([*arguments, "--base", "some"])
    printed = capsys.readouterr()
    assert exit_.value.code == 2
    assert printed.err.strip() == "error: 1 adaptations failed"
    assert '"ben": "only 2.0 s of the footage are usable"' in printed.out
    assert asked == [([tmp_path / "people" / n], "some") for n in ("anna", "ben", "carla.mp4")]

    asked.clear()
    with pytest.raises(SystemExit):
        main([*arguments, "--base", "some"])
    assert [videos[0].name for videos, _ in asked] == ["ben"]


def test_people_are_told_apart_by_name(tmp_path):
    with pytest.raises(ConfigError, match="a folder or a video for each person"):
        people.adapt_people(tmp_path, tmp_path / "models")
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna.mp4").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"anna and anna\.mp4 are both named anna"):
        people.adapt_people(tmp_path, tmp_path / "models")
