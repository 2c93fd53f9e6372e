"""Runs every command of README.md in an empty folder, with little data and without a network.

    python tests/readme_commands.py      # with the `lipsync` and the `python` of PATH

Commands in shell blocks run as written, plus the arguments in :data:`LESS` that make them short;
the media that they name are generated first. Commands in the text run with the arguments in
:data:`IN_TEXT`. The network is disabled with a network namespace, if the system allows it.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
SET_UP = ".venv/bin/"  # in commands that begin with a clone; .ci/run and the first run have them

TRAIN = (
    "data.batch_size=2 data.workers=0 trainer.batches=2 trainer.val_every=2 trainer.gpus=0 "
    "size.expert.width=0.1 size.expert.depth=0 size.generator.width=0.1 size.generator.depth=0 "
    "size.discriminator.width=0.1"
)
LESS = {  # first words of a command: what is added
    "lipsync prepare": "workers=1",
    "lipsync train -m": f"{TRAIN} data=folder data.root=data/mine name=wav2lip-sample",
    "lipsync train": TRAIN,
    "lipsync evaluate --model": "--count 2",
    "lipsync adapt": "--batches 10 --no-sync-check",
}
IN_TEXT = {  # a command in the text: what to run for it, or None and why not
    "lipsync demo": "lipsync demo --no-browser --port 0",
    "lipsync doctor NAME": "lipsync doctor lipscode-open",
    "lipsync dub": "lipsync dub face.png speech.wav -o picture.mp4 --watermark",
    "lipsync prepare": "lipsync prepare --help",
    "lipsync train": "lipsync train --help",
    "lipsync bench --reader": "lipsync doctor lipreader-grid",  # no dubs of GRID
    "lipsync evaluate --judge": "lipsync evaluate dubbed.mp4 --real face.mp4 --judge judge-open",
    'lipsync.from_pretrained("lipscode-open")': 'python -c "import lipsync; '
    "print(lipsync.from_pretrained('lipscode-open').card['what'])\"",
    "python -m data_prep": "python -m data_prep --help",
    "python train.py": None,  # in a clone; tests/docs
    "mkdocs serve": None,  # in a clone; .ci/run builds the site
}
MEDIA = """
import av
from pathlib import Path
import lipsync
from lipsync.media import VideoWriter, write_audio
from lipsync.sample import make_sample_corpus
from lipsync.sample.corpus import make_clip

make_sample_corpus("FOOTAGE", speakers=3, clips=2, seconds=2, size=128, workers=1, progress=False)
for name, seconds in {"face": 2, "anna": 6}.items():
    clip = make_clip(0, 1, 0, seconds, 128)
    with VideoWriter(Path(f"{name}.mp4"), 25, (128, 128), audio=clip.wave) as writer:
        for frame in clip.frames:
            writer.write(frame)
write_audio(Path("speech.wav"), make_clip(0, 2, 1, 2, 128).wave)
next(av.open("face.mp4").decode(video=0)).to_image().save("face.png")
print("lipsync of", Path(lipsync.__file__).parents[1])
"""


def commands(text: str) -> Iterator[str]:
    """What to run for each command of the page, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for line in "".join(blocks).replace("\\\n", " ").splitlines():
        command = shlex.join(shlex.split(line, comments=True))
        if command and SET_UP not in command:
            more = next((LESS[start] for start in LESS if command.startswith(start)), "")
            yield f"{command} {more}".strip()
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for code in dict.fromkeys(re.findall(r"`((?:lipsync[ .(]|python |mkdocs )[^`]*)`", rest)):
        if IN_TEXT[code]:
            yield IN_TEXT[code]


def main() -> None:
    cut_off = ["unshare", "--map-root-user", "--net"]
    if len(sys.argv) == 1 and shutil.which("unshare"):
        if not subprocess.run([*cut_off, "true"], capture_output=True).returncode:
            os.execvp("unshare", [*cut_off, sys.executable, __file__, "inside"])
        print("note: the network cannot be cut off on this system; the commands run with it")
    if sys.argv[1:] == ["inside"]:
        loopback_up()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored after `&` in a script
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ |= {"HOME": folder, "LIPSYNC_CACHE": f"{folder}/cache"}
        run(f"python -c {shlex.quote(MEDIA)}")
        for command in commands(README.read_text("utf-8")):
            serve(command) if command.startswith("lipsync demo") else run(command)


def loopback_up() -> None:
    """``ip link set lo up``, for systems without that program."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        SIOCSIFFLAGS, IFF_UP = 0x8914, 1
        fcntl.ioctl(anything, SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))


def run(command: str) -> None:
    start = time.monotonic()
    print("$", command.splitlines()[0], flush=True)
    done = subprocess.run(
        shlex.split(command), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nexit code {done.returncode}: {command}")
    last = (done.stdout.strip().splitlines() or [""])[-1]
    print(f"{last[:100]}  ({time.monotonic() - start:.1f} s)", flush=True)


def serve(command: str) -> None:
    """Start a page, load it, and stop the server as Ctrl-C does."""
    print("$", command, flush=True)
    server = subprocess.Popen(
        shlex.split(command), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    address = None
    while not address and (line := server.stdout.readline()):
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
    if not address:
        sys.exit(f"{command}: no address, exit code {server.wait()}")
    with urllib.request.urlopen(address[0], timeout=60) as page:
        assert b"<html" in page.read()
    server.send_signal(signal.SIGINT)
    if server.wait(timeout=300) not in (0, 130):
        sys.exit(f"{command}: exit code {server.returncode} after Ctrl-C")


if __name__ == "__main__":
    main()
