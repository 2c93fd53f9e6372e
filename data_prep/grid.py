"""Download, verify and unpack the GRID corpus, ready for ``source=``.

    python -m data_prep.grid data/grid-footage --speakers s1 s2 s3

The corpus (Cooke, Barker, Cunningham, Shao, JASA 2006; CC BY 4.0) has one archive per speaker, and
one of alignments. Run it again to resume an interrupted download; finished archives are skipped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import urllib.request
import zipfile
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from lipsync.checkpoints.online import OnlineModel, fetch
from lipsync.errors import LipsyncError, MediaError, exit_on_error

RECORD = "https://zenodo.org/api/records/3625687"
_PAGE = "https://zenodo.org/records/3625687"
_ALIGNMENTS = "alignments"
_SAFE = re.compile(r"[A-Za-z0-9_-]+")
_KINDS = {".mpg", ".mp4", ".avi", ".align"}


def fetch_grid(folder: str | Path, speakers: list[str], record: str = RECORD) -> dict[str, int]:
    """Download speakers and their alignments to ``<folder>/<speaker>/<clip>.{mpg,align}``.

    Args:
        folder: created if missing.
        speakers: names of speakers, such as ``s1``.
        record: URL of the dataset record in Zenodo's API.

    Returns:
        Number of files unpacked from each speaker's archive and from that of the alignments.

    Raises:
        LipsyncError: no connection, an unknown speaker, or an archive with the wrong checksum.
    """
    folder, counts = Path(folder), {}
    files = _read_record(record)
    if unknown := [name for name in speakers if f"{name}.zip" not in files]:
        available = sorted(name[:-4] for name in files if name.endswith(".zip"))
        raise LipsyncError(f"GRID has no {', '.join(unknown)}; available: {', '.join(available)}")
    for name in (*speakers, *([_ALIGNMENTS] if f"{_ALIGNMENTS}.zip" in files else [])):
        done = folder / ".archives" / f"{name}.json"
        if not done.exists():
            url, digest = files[f"{name}.zip"]
            archive = _archive(name, url, digest, folder / ".archives")
            unpacked = unpack(archive, folder, name)
            done.write_text(json.dumps({"files": unpacked, "checksum": digest}) + "\n")
            archive.unlink()
        counts[name] = json.loads(done.read_text())["files"]
    return counts


def _read_record(record: str) -> dict[str, tuple[str, str]]:
    """URL and checksum (``md5:...``) of each file in a record."""
    if urlsplit(record).scheme not in ("http", "https"):
        raise LipsyncError(f"{record}: only http and https addresses can be fetched")
    try:
        with urllib.request.urlopen(record, timeout=30) as answer:
            files = json.load(answer)["files"]
        return {file["key"]: (file["links"]["self"], file["checksum"]) for file in files}
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise LipsyncError(
            f"{record}: cannot be fetched ({reason}); download it by hand from {_PAGE}"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise LipsyncError(
            f"{record}: is not a dataset record; download it by hand from {_PAGE}"
        ) from None


def _archive(name: str, url: str, digest: str, folder: Path) -> Path:
    """Download and verify an archive; an interrupted download is resumed."""
    path = fetch(OnlineModel(f"GRID {name}", f"{name}.zip", url, None, "CC BY 4.0", _PAGE), folder)
    kind, _, expected = digest.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if found != expected:
        path.unlink()
        problem = f"{url} sent {kind} {found}, expected {expected}; the file was deleted"
        raise MediaError(path, problem, "run the command again")
    return path


def unpack(archive: Path, folder: Path, name: str) -> int:
    """Unpack the clips or alignments in an archive; other members are skipped.

    Of a member's path only the file name is used, and for alignments its parent folder's name, so
    nothing is written outside ``folder``.

    Returns:
        Number of files.
    """
    count = 0
    try:
        with zipfile.ZipFile(archive) as content:
            for member in content.infolist():
                path = PurePosixPath(member.filename)
                speaker = path.parent.name if name == _ALIGNMENTS else name
                safe = _SAFE.fullmatch(path.stem) and _SAFE.fullmatch(speaker)
                if member.is_dir() or not safe or path.suffix.lower() not in _KINDS:
                    continue
                target = folder / speaker / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                making = target.with_name(target.name + ".tmp")
                with content.open(member) as packed, making.open("wb") as file:
                    while block := packed.read(1 << 20):
                        file.write(block)
                making.replace(target)
                count += 1
    except zipfile.BadZipFile as error:
        raise MediaError(
            archive, f"is not a complete archive ({error})", "delete it and run again"
        ) from None
    except OSError as error:
        raise MediaError(
            folder,
            f"cannot be written ({error.strerror})",
            "free some space or choose another folder",
        ) from None
    return count


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data_prep.grid", description=__doc__)
    parser.add_argument("folder", help="where the clips go; give it to data_prep as source")
    parser.add_argument("--speakers", nargs="+", required=True, metavar="sN")
    options = parser.parse_args(arguments)
    with exit_on_error():
        for name, count in fetch_grid(options.folder, options.speakers).items():
            print(f"{name}: {count} files")


if __name__ == "__main__":
    sys.exit(main())
