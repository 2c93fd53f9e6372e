"""The command: starts immediately, ends on Ctrl-C, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from lipsync.demo.server import listen, url
from lipsync.errors import ConfigError


def test_the_command_from_its_start_to_ctrl_c(tmp_path):
    command = [sys.executable, "-u", "-m", "lipsync", "demo", "--no-browser", "--port", "0"]
    running = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    try:
        address = running.stdout.readline().split()[2]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address) as page:
            assert b"<title>lipsync demo</title>" in page.read()
        asked = urllib.request.Request(f"{address}/api/tabs", data=b"", method="POST")
        with urllib.request.urlopen(asked) as answer:
            tab = json.load(answer)["tab"]
        assert len(list(tmp_path.glob("lipsync-demo-*/*"))) == 1
        assert tab not in str(list(tmp_path.glob("lipsync-demo-*/*")))
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, said) == (0, "")
    assert not list(tmp_path.glob("lipsync-demo-*"))


def test_a_port_that_is_taken_is_named():
    with listen("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--port {port}: cannot listen there"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:7860"),
        ("0.0.0.0", "http://127.0.0.1:7860"),
        ("::", "http://[::1]:7860"),
        ("localhost", "http://localhost:7860"),
    ],
)
def test_the_address_that_is_printed(host, address):
    assert url(host, 7860) == address
