"""A phone inventory, and random speech as a timeline of phones.

Every phone defines both its acoustics (formants, voicing, noise) and its articulation (jaw, lips,
tongue), so that sound and image come from one description. Formant values are textbook averages for
adult speech (Peterson and Barney 1952, rounded); the articulation is the common viseme chart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

NOISE_BANDS = {  # Hz; passband of a constriction at that place
    "lips": (300.0, 1400.0),
    "velum": (1300.0, 2600.0),
    "palate": (2200.0, 4800.0),
    "teeth": (3900.0, 7600.0),
    "broad": (1200.0, 7600.0),
}


@dataclass(frozen=True)
class Phone:
    """One phone: its acoustics, and its articulation in [0, 1] (``width``: [-1, 1])."""

    name: str
    seconds: float
    formants: tuple[float, float, float]
    voice: float = 0.0  # amplitude of the glottal source
    breath: float = 0.0  # amplitude of aspiration, shaped by the formants
    noise: float = 0.0  # amplitude of frication
    band: str = "broad"  # which NOISE_BANDS entry frication and burst pass through
    burst: float = 0.0  # amplitude of the release of a plosive; > 0 makes this a plosive
    jaw: float = 0.1
    part: float = 0.25  # lip opening in addition to the jaw's
    width: float | None = None  # spread; None: taken from the neighbours
    round: float | None = None  # rounded and protruded; None: taken from the neighbours
    tuck: float = 0.0  # lower lip under the upper teeth (f, v)
    tongue: float = 0.15  # tip raised
    closed: float = 0.0  # lips pressed together (m, b, p)


def _vowel(
    name: str,
    formants: tuple[float, float, float],
    voice: float,
    jaw: float,
    width: float,
    round: float,
) -> Phone:
    return Phone(name, 0.125, formants, voice, 0.02, jaw=jaw, part=0.3, width=width, round=round)


VOWELS = (
    _vowel("a", (760, 1250, 2550), 1.00, 1.00, 0.1, 0.0),
    _vowel("ae", (660, 1700, 2480), 0.95, 0.78, 0.6, 0.0),
    _vowel("e", (480, 1900, 2550), 0.85, 0.45, 0.75, 0.0),
    _vowel("i", (280, 2300, 3000), 0.70, 0.16, 1.0, 0.0),
    _vowel("aw", (600, 940, 2450), 0.95, 0.75, -0.1, 0.55),
    _vowel("o", (440, 820, 2400), 0.85, 0.42, -0.3, 0.85),
    _vowel("u", (310, 760, 2300), 0.70, 0.14, -0.4, 1.0),
    _vowel("uh", (540, 1400, 2500), 0.80, 0.45, 0.15, 0.05),
)

_BILABIAL = {"jaw": 0.05, "part": 0.0, "closed": 1.0}
_ALVEOLAR = {"jaw": 0.14, "part": 0.4, "tongue": 0.9}
CONSONANTS = (
    Phone("m", 0.085, (260, 1000, 2200), voice=0.20, **_BILABIAL),
    Phone("b", 0.085, (200, 800, 2200), voice=0.05, burst=0.25, band="lips", **_BILABIAL),
    Phone("p", 0.105, (200, 800, 2200), burst=0.35, band="lips", **_BILABIAL),
    Phone("f", 0.100, (300, 1100, 2300), noise=0.12, jaw=0.06, part=0.1, tuck=1.0),
    Phone("v", 0.080, (280, 1100, 2300), voice=0.25, noise=0.05, jaw=0.06, part=0.1, tuck=1.0),
    Phone("s", 0.110, (320, 1700, 2600), noise=0.35, band="teeth", jaw=0.02, part=0.6, width=0.6),
    Phone("z", 0.085, (300, 1700, 2600), voice=0.2, noise=0.2, band="teeth", jaw=0.02, part=0.6,
          width=0.6),
    Phone("sh", 0.110, (320, 1750, 2450), noise=0.4, band="palate", jaw=0.06, part=0.75, width=-0.2,
          round=0.6),
    Phone("t", 0.090, (250, 1800, 2700), burst=0.4, band="teeth", **_ALVEOLAR),
    Phone("d", 0.075, (220, 1800, 2700), voice=0.05, burst=0.25, band="teeth", **_ALVEOLAR),
    Phone("n", 0.075, (260, 1500, 2500), voice=0.30, **_ALVEOLAR),
    Phone("k", 0.095, (260, 2100, 2500), burst=0.4, band="velum", jaw=0.22, part=0.3),
    Phone("g", 0.080, (220, 2100, 2500), voice=0.05, burst=0.3, band="velum", jaw=0.22, part=0.3),
    Phone("l", 0.075, (350, 1150, 2700), voice=0.50, jaw=0.34, part=0.4, tongue=1.0),
    Phone("r", 0.075, (360, 1150, 1600), voice=0.50, jaw=0.18, part=0.35, round=0.5),
    Phone("w", 0.080, (300, 650, 2200), voice=0.45, jaw=0.06, part=0.15, width=-0.4, round=1.0),
    Phone("y", 0.070, (270, 2250, 3000), voice=0.45, jaw=0.12, part=0.3, width=0.9, round=0.0),
    Phone("h", 0.070, (500, 1500, 2500), breath=0.12, jaw=0.35, part=0.35),
)  # fmt: skip

PAUSE = Phone("-", 0.25, (480, 1450, 2500), jaw=0.0, part=0.0, width=0.0, round=0.0, tongue=0.0)


@dataclass(frozen=True)
class Segment:
    """A phone with its times, and its syllable's stress (about 1) and pitch accent."""

    phone: Phone
    start: float
    end: float
    stress: float = 1.0
    accent: float = 0.0


def random_speech(
    rng: np.random.Generator, seconds: float, syllables_per_second: float
) -> list[Segment]:
    """Phrases of CV and CVC syllables with pauses, filling exactly ``seconds``.

    The clip begins and ends in a pause. Segments are contiguous and cover [0, seconds].
    """
    phones: list[tuple[Phone, float, float, float]] = []  # phone, length, stress, accent
    clock = 0.0

    def say(phone: Phone, length: float, stress: float = 1.0, accent: float = 0.0) -> None:
        nonlocal clock
        phones.append((phone, length, stress, accent))
        clock += length

    say(PAUSE, rng.uniform(0.06, 0.18))
    until_pause = int(rng.integers(4, 8))
    while clock < seconds - 0.35:
        stress, accent = rng.uniform(0.8, 1.12), rng.uniform(-0.5, 1.0)
        count = 3 if rng.random() < 0.35 else 2
        onset = CONSONANTS[rng.integers(len(CONSONANTS))]
        vowel = VOWELS[rng.integers(len(VOWELS))]
        coda = CONSONANTS[rng.integers(len(CONSONANTS) - 4)]  # no syllable ends in r w y h
        syllable = (onset, vowel, coda)[:count]
        # an average syllable is 0.245 s at the phones' usual lengths
        pace = 0.245 * syllables_per_second
        for phone in syllable:
            say(phone, phone.seconds * rng.uniform(0.88, 1.15) / pace, stress, accent)
        until_pause -= 1
        if until_pause == 0 and clock < seconds - 0.8:
            say(PAUSE, rng.uniform(0.14, 0.30))
            until_pause = int(rng.integers(4, 8))
    if clock < seconds - 0.05:
        say(PAUSE, seconds - clock)
    # stretch or compress slightly so that the timeline fills the clip
    scale = seconds / clock
    segments, at = [], 0.0
    for phone, length, stress, accent in phones:
        segments.append(Segment(phone, at, at + length * scale, stress, accent))
        at += length * scale
    segments[-1] = replace(segments[-1], end=seconds)
    return segments
