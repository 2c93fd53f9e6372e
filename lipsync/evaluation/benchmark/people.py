"""The answers of a blind study: strengths of the systems, and how metrics agree with people.

Answers are scaled with the Bradley-Terry model (Biometrika 1952): a system's strength is the
log-odds of being preferred to one of strength 0, here the mean of all. "No difference" counts as
half an answer for each. Intervals are over people, not answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

from lipsync.errors import ConfigError
from lipsync.evaluation.benchmark.numbers import BenchNumbers
from lipsync.evaluation.benchmark.study import FORMAT, KEY, QUESTIONS
from lipsync.evaluation.rows import REAL
from lipsync.metrics.statistics import Interval, share_interval, statistic_interval
from lipsync.plain import plain

_PREFERENCES = {"left": 1.0, "same": 0.5, "right": 0.0}
_PRIOR = 0.5
"""Pseudo-answers added to each side of a pair that was shown, so that strengths stay finite."""
_STEPS = 200


@dataclass(frozen=True)
class Answer:
    """One answer about one pair.

    ``preference`` is 1 if ``first`` was preferred, 0.5 for a tie, else 0.
    """

    person: str
    clip: str
    question: str
    first: str
    second: str
    preference: float


@dataclass(frozen=True)
class People:
    """The answers of a study, as :func:`read_answers` finds them."""

    answers: list[Answer]

    @cached_property
    def persons(self) -> list[str]:
        return sorted({answer.person for answer in self.answers})

    @property
    def questions(self) -> dict[str, str]:
        """The questions that were answered, with their wording."""
        answered = {answer.question for answer in self.answers}
        return {name: text for name, text in QUESTIONS.items() if name in answered}

    def answers_to(self, question: str) -> list[Answer]:
        """The answers to a question."""
        return [answer for answer in self.answers if answer.question == question]

    def strengths(self, question: str) -> dict[str, Interval]:
        """System or baseline -> strength, strongest first."""
        answers = self.answers_to(question)
        kinds = sorted({kind for answer in answers for kind in (answer.first, answer.second)})
        items = np.zeros((len(answers), len(kinds), len(kinds)))
        for item, answer in zip(items, answers, strict=True):
            first, second = kinds.index(answer.first), kinds.index(answer.second)
            item[first, second], item[second, first] = answer.preference, 1 - answer.preference
        flat, persons = items.reshape(len(answers), -1), [answer.person for answer in answers]
        shown = (items.sum(axis=0) > 0) | (items.sum(axis=0).T > 0)

        def strength(place: int) -> Interval:
            def statistic(sums: np.ndarray) -> np.ndarray:
                return bradley_terry(sums.reshape(-1, *shown.shape) + _PRIOR * shown)[:, place]

            return statistic_interval(flat, statistic, persons)

        found = {kind: strength(place) for place, kind in enumerate(kinds)}
        return dict(sorted(found.items(), key=lambda each: -each[1].mean))

    def preference_share(self, question: str, kind: str) -> Interval:
        """How often a system was preferred to its opponent, ties counting half."""
        preferences, persons = [], []
        for answer in self.answers_to(question):
            if kind in (answer.first, answer.second):
                preferences.append(
                    answer.preference if kind == answer.first else 1 - answer.preference
                )
                persons.append(answer.person)
        return share_interval(np.array(preferences), persons)

    def agreements(self, numbers: BenchNumbers) -> dict[str, dict[str, Interval]]:
        """Question -> measure -> share of answers that agree with the measure.

        Answers of "no difference", and pairs without two values of the measure, are left out.
        """
        found: dict[str, dict[str, Interval]] = {question: {} for question in self.questions}
        for question, measure in product(found, numbers.measures):
            hits, persons = [], []
            for answer in self.answers_to(question):
                real = numbers.values(REAL, measure.name).get(answer.clip)
                first, second = (
                    measure.badness(numbers.values(kind, measure.name).get(answer.clip), real)
                    for kind in (answer.first, answer.second)
                )
                if first is None or second is None or first == second or answer.preference == 0.5:
                    continue
                hits.append((first < second) == (answer.preference == 1))
                persons.append(answer.person)
            if hits:
                found[question][measure.name] = share_interval(hits, persons)
        return found

    def agreement_of_people(self, question: str) -> Interval | None:
        """How often two people agree on the same pair: the ceiling for any measure.

        None if no two people stated a preference on the same pair.
        """
        pairs: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for answer in self.answers_to(question):
            if answer.preference != 0.5:
                better = answer.first if answer.preference == 1 else answer.second
                key = answer.clip, *sorted((answer.first, answer.second))
                pairs.setdefault(key, []).append((answer.person, better))
        hits, persons = [], []
        for answers_of_pair in pairs.values():
            for (one, first), (_, second) in combinations(answers_of_pair, 2):
                hits.append(first == second)
                persons.append(one)
        return share_interval(hits, persons) if hits else None

    def as_dict(self, numbers: BenchNumbers) -> dict[str, Any]:
        """Plain values for JSON."""
        results, agree = {}, self.agreements(numbers)
        for question, text in self.questions.items():
            strengths = self.strengths(question)
            results[question] = {
                "text": text,
                "answers": len(self.answers_to(question)),
                "strengths": strengths,
                "preferred": {kind: self.preference_share(question, kind) for kind in strengths},
                "agreement_of_measures": agree[question],
                "agreement_of_people": self.agreement_of_people(question),
            }
        return plain({"people": len(self.persons), "questions": results})

    def lines(self, numbers: BenchNumbers) -> list[str]:
        """The results as text."""
        rows, agree = [], self.agreements(numbers)
        for question, text in self.questions.items():
            strengths = "; ".join(f"{k} {s.text(2)}" for k, s in self.strengths(question).items())
            best = sorted(agree[question].items(), key=lambda each: -each[1].mean)[:3]
            best_measures = "; ".join(f"{name} {share.text(2)}" for name, share in best)
            head = f"{text} ({len(self.persons)} people, {len(self.answers_to(question))} answers)"
            rows += [
                f"{head} strengths: {strengths}",
                f"  they agree most with: {best_measures or 'none'}",
            ]
        return rows


def bradley_terry(wins: np.ndarray) -> np.ndarray:
    """Maximum-likelihood strengths of k systems: log-odds with mean 0.

    Uses the MM iteration of Hunter (Annals of Statistics 2004); no step lowers the likelihood.

    Args:
        wins: (m, k, k) how often the first is preferred to the second, for m studies at once.

    Returns:
        (m, k).
    """
    played, won = wins + wins.mT, wins.sum(axis=2)
    skills = np.ones(won.shape)
    for _ in range(_STEPS):
        shares = played / (skills[:, :, None] + skills[:, None, :])
        skills = won / np.maximum(shares.sum(axis=2), 1e-12)
        skills /= np.exp(np.log(np.maximum(skills, 1e-12)).mean(axis=1, keepdims=True))
    strengths = np.log(np.maximum(skills, 1e-12))
    return strengths - strengths.mean(axis=1, keepdims=True)


def read_answers(files: Sequence[str | Path], folder: str | Path) -> People:
    """Read the files that the page of a study saved.

    Args:
        files: one per person.
        folder: the output folder of the benchmark that wrote the study.

    Raises:
        ConfigError: no study in the folder, or a file that is malformed, belongs to another study,
            has no answers, or is the second file of the same person.
    """
    key = Path(folder) / KEY
    try:
        known = json.loads(key.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(f"{key}: no key of a study; write the study with --study first") from None
    answers: list[Answer] = []
    whose: dict[str, Path] = {}
    for path in map(Path, files):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError
            person, study, given = str(data["person"]).strip(), data["study"], data["answers"]
            if study != known["study"]:
                raise ConfigError(
                    f"{path}: answers study {study}, but {key} belongs to {known['study']}; name "
                    "the folder in which its page was written"
                )
            found = [_parse_answer(person, each, known["films"]) for each in given]
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError, IndexError):
            raise ConfigError(
                f"{path}: is not an answer file; use the files that the study's page saves"
            ) from None
        if not found:
            raise ConfigError(f"{path}: holds no answers; leave it out")
        if person in whose:
            raise ConfigError(
                f"{path}: {person} also answered in {whose[person]}; keep one file per person"
            )
        whose[person] = path
        answers += found
    return People(answers)


def _parse_answer(person: str, row: Mapping[str, Any], films: Mapping[str, Any]) -> Answer:
    film = films[row["film"]]
    left, right = (film["panels"][_panel_index(row[side])] for side in ("left", "right"))
    if left == right or row["question"] not in QUESTIONS:
        raise ValueError
    return Answer(person, film["clip"], row["question"], left, right, _PREFERENCES[row["answer"]])


def _panel_index(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value
