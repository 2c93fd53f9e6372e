"""Grouping words into lines."""

from lipsync.translation.segments import LONGEST, PAUSE, Word, lines


def spoken(text: str, each: float = 0.4, start: float = 0.0) -> list[Word]:
    """Consecutive words of equal length, with a leading space as from recognisers."""
    parts = text.split()
    return [Word(start + k * each, start + (k + 1) * each, f" {w}") for k, w in enumerate(parts)]


def texts(words: list[Word]) -> list[str]:
    return [line.text for line in lines(words)]


def test_a_line_is_a_sentence() -> None:
    words = spoken('Is it late? "Yes," he said. Go')
    assert texts(words) == ["Is it late?", '"Yes," he said.', "Go"]
    first = lines(words)[0]
    assert (first.start, first.end) == (0.0, words[2].end)
    assert [word.text for word in first.words] == ["Is", "it", "late?"]


def test_an_abbreviation_ends_no_line() -> None:
    for text in (
        "I am in D.C. for a week",
        "The U.S. Supreme Court",
        "Mr. Quilter and Roe v. Wade",
    ):
        assert texts(spoken(text)) == [text]


def test_the_danda_and_letters_without_case_end_lines() -> None:
    assert texts(spoken("वह आया। वह गया।")) == ["वह आया।", "वह गया।"]


def test_a_pause_ends_a_line() -> None:
    gap = spoken("one two") + spoken("three", start=0.8 + PAUSE + 0.01)
    assert texts(gap) == ["one two", "three"]
    assert texts(spoken("one two") + spoken("three", start=0.8 + PAUSE - 0.01)) == ["one two three"]


def test_a_long_line_is_cut_at_its_last_comma() -> None:
    text = " ".join(["a"] * 10 + ["b,"] + ["c"] * 40)
    cut = lines(spoken(text))
    assert cut[0].text == " ".join(["a"] * 10 + ["b,"])
    assert all(line.seconds <= LONGEST for line in cut)
    assert " ".join(line.text for line in cut) == text


def test_words_of_a_script_without_spaces_stay_together() -> None:
    words = [Word(0.0, 0.2, "客観"), Word(0.2, 0.4, "的"), Word(0.4, 0.6, "実在。")]
    assert texts(words) == ["客観的実在。"]


def test_no_words_no_lines() -> None:
    assert lines([]) == []
