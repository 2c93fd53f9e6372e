"""The whole workflow on the generated corpus: prepare, train expert and generator, dub, score.

    python experiments/first_run/run.py [folder]

Every step is a command that also works on your own footage, and is printed before it runs. Finished
steps are skipped, so after an interruption just start it again.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DUBS = 4  # held-out faces, dubbed with another speaker's sound


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default="runs/first_run")
    folder = parser.parse_args().folder
    sample = Path("data/sample")
    expert, generator = folder / "expert", folder / "wav2lip"
    began = time.monotonic()

    step("Train a lip-sync expert (the corpus is made and prepared first).")
    if not (expert / "done").exists():
        command("train.py", "experiment=first_expert", f"hydra.run.dir={expert}", *resume(expert))
        (expert / "done").touch()

    step("Train a Wav2Lip generator with that expert.")
    if not (generator / "done").exists():
        judge = expert / "checkpoints" / "best.ckpt"
        options = [f"model.expert={judge}", f"hydra.run.dir={generator}", *resume(generator)]
        command("train.py", "experiment=first_wav2lip", *options)
        (generator / "done").touch()

    step("Dub held-out faces with the speech of others.")
    keys = (sample / "footage" / "filelists" / "test.txt").read_text().split()
    faces = [sample / "footage" / f"{key}.mp4" for key in spread(keys, DUBS)]
    (folder / "dubbed").mkdir(exist_ok=True)
    dubbed = []
    for face, voice in zip(faces, faces[1:] + faces[:1], strict=True):
        output = folder / "dubbed" / f"{face.parent.name}_{face.stem}.mp4"
        model = generator / "checkpoints" / "best.ckpt"
        command("-m", "lipsync", "dub", face, voice, "-o", output, "--model", model)
        dubbed.append(output)

    step("Score them beside the real videos.")
    judge = expert / "checkpoints" / "best.ckpt"
    scores = ["--real", *faces, "--judge", judge, "-o", folder / "scores"]
    command("-m", "lipsync", "evaluate", *dubbed, *scores)

    step(f"Done in {(time.monotonic() - began) / 60:.1f} minutes.")
    print(summary(expert, generator))
    print(f"\nLook at\n  {folder / 'dubbed'}: the dubbed videos")
    print(f"  {folder / 'scores' / 'report.html'}: their scores, beside the real videos")
    print(f"  {sorted((generator / 'pictures').glob('*.png'))[-1]}: generated faces in training")
    print("\nThen, on your own footage")
    print("  python -m data_prep source=FOOTAGE output=data/mine")
    print("  python train.py model=syncnet data=folder data.root=data/mine name=expert")
    print("  docs/first-hour.md and docs/footage.md go on from there.")


def step(text: str) -> None:
    print(f"\n=== {text}", flush=True)


def command(*words: object) -> None:
    """Run Python with these arguments in the repository's folder."""
    words = [str(word) for word in words]
    print(f"$ python {shlex.join(words)}", flush=True)
    done = subprocess.run([sys.executable, *words], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def resume(run: Path) -> list[str]:
    return ["ckpt_path=last"] if (run / "checkpoints" / "last.ckpt").exists() else []


def spread(keys: list[str], count: int) -> list[str]:
    """``count`` keys, evenly spaced in the list."""
    return [keys[i * len(keys) // count] for i in range(count)]


def summary(expert: Path, generator: Path) -> str:
    """Results of the runs on the test split."""
    sync = json.loads((expert / "test.json").read_text())
    paint = json.loads((generator / "test.json").read_text())
    untrained = json.loads((generator / "test_untrained.json").read_text())
    accuracy, within = sync["test/off_sync_accuracy"], sync["test/offset_within_1"]
    return (
        f"expert         off-sync accuracy {accuracy:.3f}, offset within a frame on {within:.0%} "
        f"of the clips, speakers never seen\n"
        f"generator      L1 of the painted half {paint['test/l1_generated']:.4f}; the reference "
        f"copied {paint['test/l1_copied_reference']:.4f}; untrained "
        f"{untrained['test/l1_generated']:.4f}"
    )


if __name__ == "__main__":
    main()
