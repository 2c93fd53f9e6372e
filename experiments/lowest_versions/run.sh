#!/usr/bin/env bash
# The tests in an environment of the lowest versions that pyproject.toml allows.
#
#   experiments/lowest_versions/run.sh FOLDER [what pytest is given]
#
# FOLDER gets the environment and stays. torch alone is the one that constraints.txt pins: older
# builds for processors alone are not to be had everywhere, and those for GPUs are several gigabytes.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(realpath -m "${1:?name a folder for the environment}")
shift

[ -x "$folder/bin/python" ] || python3.11 -m venv "$folder"
"$folder/bin/pip" install --quiet uv "$(grep '^torch==' constraints.txt)"
"$folder/bin/python" -c 'import importlib.metadata as m; print("torch==" + m.version("torch"))' \
    >"$folder/torch.txt"
"$folder/bin/uv" pip install --quiet --python "$folder/bin/python" --resolution lowest-direct \
    --constraint "$folder/torch.txt" --editable '.[dev]'
"$folder/bin/python" -m pytest "$@"
