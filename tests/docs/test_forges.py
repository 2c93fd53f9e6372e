"""Forge files: templates and workflows are valid YAML, and both workflows run .ci/run."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_workflows_run_what_has_to_pass():
    github = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    gitlab = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    assert {"run": ".ci/run"} in github["jobs"]["run"]["steps"]
    assert gitlab["run"]["script"] == [".ci/run"]


def test_templates_ask_for_something():
    for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text())
        assert path.stem == "config" or (form["name"] and form["description"] and form["body"])


def test_the_citation_names_the_version_of_a_release():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert f"## {citation['version']}" in (ROOT / "CHANGELOG.md").read_text()
