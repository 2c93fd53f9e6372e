"""Reproducible damage: the same file and number always give the same result."""

from __future__ import annotations

import numpy as np


def mutated(data: bytes, number: int) -> tuple[bytes, str]:
    """The data with one to three mutations, and the names of the mutations."""
    rng = np.random.default_rng(number)
    names = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        name = str(rng.choice(sorted(WAYS)))
        if len(data) > 16:
            data = WAYS[name](data, rng)
        names.append(name)
    return data, "+".join(names)


def _place(data: bytes, rng: np.random.Generator) -> int:
    """A random position, often near the beginning or the end, where headers are."""
    edge = min(len(data), 2048)
    begin = [0, len(data) - edge, 0][kind := int(rng.integers(3))]
    return begin + int(rng.integers(edge if kind < 2 else len(data)))


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.choice([1, 4, 32, 200]))):
        changed[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def _behead(data: bytes, rng: np.random.Generator) -> bytes:
    return data[_place(data, rng) :]


def _drop(data: bytes, rng: np.random.Generator) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + int(rng.choice([1, 4, 64, 4096])) :]


def _double(data: bytes, rng: np.random.Generator) -> bytes:
    at, size = _place(data, rng), int(rng.choice([4, 64, 4096]))
    return data[: at + size] + data[at:]


def _noise(data: bytes, rng: np.random.Generator) -> bytes:
    at, size = _place(data, rng), int(rng.choice([4, 64, 4096]))
    return data[:at] + rng.bytes(size) + data[at + size :]


def _zeros(data: bytes, rng: np.random.Generator) -> bytes:
    at, size = _place(data, rng), int(rng.choice([4, 64, 4096]))
    return data[:at] + bytes(size) + data[at + size :]


def _number(data: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite four bytes with an extreme number."""
    at, order = _place(data, rng), str(rng.choice(["big", "little"]))
    value = int(rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000, len(data)]))
    return data[:at] + value.to_bytes(4, order) + data[at + 4 :]


def _swap(data: bytes, rng: np.random.Generator) -> bytes:
    size = int(rng.choice([4, 64, 1024]))
    first, second = sorted((_place(data, rng), _place(data, rng)))
    if second - first < size:
        return data
    a, b = data[first : first + size], data[second : second + size]
    return data[:first] + b + data[first + size : second] + a + data[second + size :]


def _atoms(data: bytes, rng: np.random.Generator) -> bytes:
    """Swap two sibling atoms of an MP4; in other files, swap any two pieces."""
    start, end, chosen = 0, len(data), None
    for _ in range(int(rng.integers(1, 7))):
        atoms = _children(data, start, end)
        if len(atoms) > 1:
            chosen = atoms
        inner = [(at + 8, at + size) for at, size, name in atoms if name in _HOLDING]
        if not inner:
            break
        start, end = inner[int(rng.integers(len(inner)))]
    if chosen is None:
        return _swap(data, rng)
    (a, size_a, _), (b, size_b, _) = (
        chosen[i] for i in sorted(rng.choice(len(chosen), 2, replace=False))
    )
    return (
        data[:a]
        + data[b : b + size_b]
        + data[a + size_a : b]
        + data[a : a + size_a]
        + data[b + size_b :]
    )


_HOLDING = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf"}


def _children(data: bytes, start: int, end: int) -> list[tuple[int, int, bytes]]:
    atoms = []
    while start + 8 <= end:
        size, name = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        if size < 8 or start + size > end or not name.isalnum():
            break
        atoms.append((start, size, name))
        start += size
    return atoms


WAYS = {
    "flip": _flip, "cut": _cut, "behead": _behead, "drop": _drop, "double": _double,
    "noise": _noise, "zeros": _zeros, "number": _number, "swap": _swap, "atoms": _atoms,
}  # fmt: skip
