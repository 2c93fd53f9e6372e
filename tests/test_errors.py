"""Parts of error messages."""

from pathlib import Path

from lipsync.errors import differences, install_extra


def test_only_what_differs_between_configs_is_named():
    one = {"width": 0.5, "size": 96, "feature": {"name": "mel", "lead": 2}, "old": 1}
    other = {"width": 0.25, "size": 96, "feature": {"name": "mel", "lead": 3}, "new": [1, 2]}
    assert differences(one, other) == (
        "width 0.5 there, 0.25 here; feature.lead 2 there, 3 here; old 1 there, none here; "
        "new none there, [1, 2] here"
    )
    assert differences("LipGAN", None) == "LipGAN there, none here"
    assert differences(one, dict(one)) == ""


def test_extras_are_installed_as_in_the_documentation():
    text = (Path(__file__).parents[1] / "docs" / "install.md").read_text()
    assert install_extra("dev") in text
    assert "constraints" not in install_extra("sweep-ray")  # they pin newer packages
