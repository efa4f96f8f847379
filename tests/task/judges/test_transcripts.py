"""Error rates of transcripts, against jiwer's on strings."""

import re
from itertools import groupby

import jiwer
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autotune.errors import UserError
from autotune.results.significance import compare
from autotune.task.data import Array
from autotune.task.data.fields import joined
from autotune.task.judges import parse
from autotune.task.judges.transcripts import decoded, words

LETTERS = "abc "
SPACE, BLANK = 3, 4
TEXT = st.text(LETTERS, max_size=12)


def heard(texts: list[str], blank: int = BLANK, time: int = 40) -> Array:
    """Outputs that are read as these texts: a blank after each letter, and blanks to the end."""
    tokens = np.full((len(texts), time), blank)
    for row, text in zip(tokens, texts, strict=True):
        row[: 2 * len(text) : 2] = [LETTERS.index(letter) + (blank == 0) for letter in text]
    return np.asarray(np.eye(5, dtype=np.float32)[tokens])


def said(texts: list[str], length: int = 20, shift: int = 0) -> Array:
    """Labels, padded with -1."""
    tokens = np.full((len(texts), length), -1)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text)] = [LETTERS.index(letter) + shift for letter in text]
    return tokens


@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=8))
def test_rates_are_those_of_jiwer(pairs: list[tuple[str, str]]) -> None:
    """Of words and of characters, of all samples together."""
    read, true = [one for one, _ in pairs], [other for _, other in pairs]
    assume(any(text.strip() for text in true))
    edits = [jiwer.process_words(text, guess) for text, guess in zip(true, read, strict=True) if text.strip()]
    wrong = sum(each.substitutions + each.deletions + each.insertions for each in edits)
    wrong += sum(len(guess.split()) for text, guess in zip(true, read, strict=True) if not text.strip())
    score = parse("wer:space=3").score(heard(read), said(true))
    assert score.value == pytest.approx(wrong / sum(len(text.split()) for text in true))
    if all(text.strip() for text in true):
        assert score.value == pytest.approx(jiwer.wer(true, read))


@given(pairs=st.lists(st.tuples(st.text("abc", max_size=12), st.text("abc", min_size=1, max_size=12)), min_size=2))
def test_rates_of_characters_are_those_of_jiwer(pairs: list[tuple[str, str]]) -> None:
    """Of all samples together; the space is a character as any other."""
    read, true = [one for one, _ in pairs], [other for _, other in pairs]
    assert parse("cer").score(heard(read), said(true)).value == pytest.approx(jiwer.cer(true, read))


def test_rates_by_hand() -> None:
    """One of three words, one of nine characters; and more than all where more is read than was said."""
    outputs, labels = heard(["ab c ca", "a"]), said(["ab b ca", "a"])
    assert parse("wer:space=3").score(outputs, labels).value == 1 / 4
    assert parse("cer").score(outputs, labels).value == 1 / 8
    much = parse("wer:space=3").score(heard(["a b c a", "a"]), said(["b", "a"]))
    assert much.value == 3 / 2
    assert much.high > 1.5


@given(
    rows=st.lists(st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=1, max_size=4), blank=st.integers(0, 4)
)
def test_decoding(rows: list[list[int]], blank: int) -> None:
    """Repeats are one, then blanks are nothing."""
    expected = [[token for token, _ in groupby(row) if token != blank] for row in rows]
    assert decoded(np.eye(5)[rows], blank) == expected


@given(text=TEXT)
def test_words(text: str) -> None:
    """Are those of str.split()."""
    parts = words([LETTERS.index(letter) for letter in text], SPACE)
    assert ["".join(LETTERS[token] for token in part) for part in parts] == text.split()


def test_padding_changes_nothing() -> None:
    """Of labels by -1 or by blanks, of outputs by blanks."""
    read, true = ["ab c", "b", "cc"], ["ab", "b a", "cb"]
    expected = parse("wer:space=3").score(heard(read), said(true))
    blanks = np.where(said(true) < 0, BLANK, said(true))
    for outputs, labels in (
        (heard(read, time=60), said(true, 30)),
        (heard(read), blanks),
        (heard(read), said(true) * 1.0),
    ):
        assert parse("wer:space=3").score(outputs, labels) == expected


def test_the_blank_may_be_another() -> None:
    """The first token, as of PyTorch; taken for the last, nothing is right."""
    read = ["ab c", "b a"]
    outputs, labels = heard(read, blank=0), said(read, shift=1)
    assert parse("wer:space=4:blank=0").score(outputs, labels).value == 0
    assert parse("cer").score(outputs, labels).value > 1


def test_files_are_compared() -> None:
    """By each sample's part, which groups have together; a transcript counts by its length."""
    true = ["ab c a", "b", "c a", "a b c a b"] * 10
    better, worse = heard(true), heard([text.replace("c", "a") for text in true])
    judge = parse("wer:space=3")
    first, second = judge.score(better, said(true)), judge.score(worse, said(true))
    assert first.each.shape == second.each.shape == (40,)
    assert not second.resampled
    assert second.each.mean() == pytest.approx(second.value)
    assert compare(first.each, second.each, resampled=False) < 0.01
    grouped = judge.score(worse, said(true), np.repeat(np.arange(4), 10))
    assert (grouped.value, grouped.each.shape) == (second.value, (4,))
    assert first.low == first.value == 0
    assert second.low < second.value < second.high


def test_a_field_among_several() -> None:
    """Is named."""
    read = ["ab c", "b a"]
    outputs = joined({"text": heard(read), "speaker": np.zeros((2, 7))})
    labels = joined({"text": said(["ab", "b a"]), "speaker": np.zeros(2)})
    expected = parse("cer").score(heard(read), said(["ab", "b a"]))
    assert parse("cer:output=text:label=text").score(outputs, labels) == expected
    with pytest.raises(
        UserError, match=re.escape("the outputs are text (40, 5), speaker (7,); say which, as in cer:output")
    ):
        parse("cer").score(outputs, labels)
    with pytest.raises(UserError, match=re.escape("no 'words'; the labels are text (20,), speaker ()")):
        parse("cer:output=text:label=words").score(outputs, labels)


@pytest.mark.parametrize(
    ("text", "outputs", "labels", "says"),
    [
        ("cer", np.zeros((2, 9)), said(["a", "b"]), "cer: the output of a sample is (9,), not (time, tokens)"),
        ("wer:space=5", heard(["a", "b"]), said(["a", "b"]), "space is 5, the output's tokens are 0 to 4"),
        ("wer:space=4", heard(["a", "b"]), said(["a", "b"]), "token 4 can't be both the space and the blank"),
        ("cer:blank=7", heard(["a", "b"]), said(["a", "b"]), "blank is 7, the output's tokens are 0 to 4"),
        ("cer", heard(["a", "b"]), said(["a", "b"], shift=9), "the labels' highest token is 10, the output's"),
        ("cer", heard(["a", "b"]), said(["", ""]), "cer: the labels have nothing in them but padding"),
        ("wer:space=3", heard(["a", "b"]), said([" ", ""]), "the labels have nothing in them but padding"),
    ],
)
def test_what_is_wrong_is_said(text: str, outputs: Array, labels: Array, says: str) -> None:
    """In one line."""
    with pytest.raises(UserError, match=re.escape(says)):
        parse(text).score(outputs, labels)
