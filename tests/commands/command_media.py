"""Run a command in this process."""

from pathlib import Path

from lipsync import cli


def run(*arguments: str | Path) -> int:
    """Run ``lipsync ARGUMENTS`` in this process, and return the exit code."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code
