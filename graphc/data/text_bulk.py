"""The fast parser of CNTK's text format: a block of regular lines at once, with array operations over its bytes.

It returns nothing for a block with any irregularity (a warning, an error, a form it does not know), which then goes to
`graphc.data.text_scan`. So it holds no messages, and the numbers come from the same operations in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphc.data.text_rows import Rows, Samples, TextInput
from graphc.data.text_scan import power_of_ten

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_BLANK, _DIGIT, _POINT, _SIGN, _EXPONENT, _COLON, _OTHER = range(7)
_NEWLINE, _RETURN, _PIPE, _HASH = 10, 13, 124, 35
_ZEROTH = 300
_POWERS = np.array([power_of_ten(e) for e in range(-_ZEROTH, _ZEROTH + 1)])
_LONGEST = 60  # digits; longer ones are left to the careful parser
_EXACT, _EXACT_SINGLE = 15, 7  # digits that a double and a float hold exactly


def _classes() -> Bytes:
    table = np.full(256, _OTHER, dtype=np.uint8)
    for kind, members in (
        (_BLANK, b" \t\n\r|"),
        (_DIGIT, b"0123456789"),
        (_POINT, b"."),
        (_SIGN, b"+-"),
        (_EXPONENT, b"eE"),
        (_COLON, b":"),
    ):
        table[list(members)] = kind
    return table


_CLASSES = _classes()


class _Irregular(Exception):
    """The block is not for the bulk parser."""


def bulk_rows(block: bytes, inputs: Sequence[TextInput]) -> Rows | None:
    """Parse a block of whole lines, each ended by a newline, if all are regular."""
    try:
        return _parsed(np.frombuffer(block, dtype=np.uint8), inputs)
    except _Irregular:
        return None


def _require(condition: object) -> None:
    if not condition:
        raise _Irregular


def _parsed(text: Bytes, inputs: Sequence[TextInput]) -> Rows:
    marks = _marks(text)
    which, text = _named(text, marks, inputs)
    kinds = _CLASSES[text]
    _require(kinds.max(initial=0) < _OTHER)
    returns = np.flatnonzero(text == _RETURN)
    _require((text[returns + 1] == _NEWLINE).all())
    tokens = _tokens(text, kinds)
    first = np.searchsorted(tokens.start, marks.at)
    count = np.diff(first, append=len(tokens.start))
    has_id, ids = _sequence_ids(tokens, marks, first, count)
    streams = [_samples(i, tokens, marks.line, first, count, which == k) for k, i in enumerate(inputs)]
    _require(tokens.colons == sum(len(s.indices) for s in streams if s.indices is not None))
    filled = np.zeros(marks.lines, dtype=np.bool_)
    mentions = np.full(marks.lines, not any(i.defines_mb_size for i in inputs))
    for input, samples in zip(inputs, streams, strict=True):
        filled[samples.line] = True
        if input.defines_mb_size:
            mentions[samples.line] = True
    _require(filled.all())
    return Rows(marks.at[marks.is_line] + 1, ids, has_id, mentions, streams, [])


@dataclass(eq=False)
class _Marks:
    """Pipes and the places just before each line, in order: everything belongs to the last mark before it."""

    at: Ints
    is_line: Mask
    line: Ints  # that each mark is on

    @property
    def lines(self) -> int:
        return int(self.line[-1]) + 1


def _marks(text: Bytes) -> _Marks:
    at = np.concatenate(([-1], np.flatnonzero((text == _PIPE) | (text == _NEWLINE))[:-1]))
    is_line = text[at] == _NEWLINE  # the one at -1 sees the block's last newline
    return _Marks(at, is_line, np.cumsum(is_line) - 1)


def _named(text: Bytes, marks: _Marks, inputs: Sequence[TextInput]) -> tuple[Ints, Bytes]:
    """Number of the input that each mark names, or -1; and the text without names and without what is skipped."""
    which = np.full(len(marks.at), -1, dtype=np.int64)
    skipped = ~marks.is_line
    blanked = text.copy()
    for number, input in enumerate(inputs):
        key = np.frombuffer(input.key, dtype=np.uint8)
        candidates = np.flatnonzero(skipped & (marks.at + len(key) + 1 < len(text)))
        at = marks.at[candidates] + 1
        for k, letter in enumerate(key):
            hit = text[at + k] == letter
            candidates, at = candidates[hit], at[hit]
        after = text[at + len(key)]
        hit = (after <= 0x20) | (after == _PIPE)
        candidates, at = candidates[hit], at[hit]
        which[candidates] = number
        skipped[candidates] = False
        for k in range(len(key)):
            blanked[at + k] = 0x20
    _blank_skipped(text, blanked, marks, np.flatnonzero(skipped))
    return which, blanked


def _blank_skipped(text: Bytes, blanked: Bytes, marks: _Marks, skipped: Ints) -> None:
    """Take out comments and streams nobody asked for, up to the next mark."""
    if not len(skipped):
        return
    begin = marks.at[skipped] + 1
    following = text[begin]
    # A pipe without a name is an error unless it starts a comment.
    _require(((following > 0x20) & (following != _PIPE)).all())
    ends = np.append(marks.at[1:], len(text) - 1)[skipped]
    step = np.zeros(len(text) + 1, dtype=np.int8)
    step[begin] += 1
    step[ends] -= 1
    inside = np.cumsum(step[:-1], dtype=np.int8).view(np.bool_)
    inside &= text != _RETURN
    blanked[inside] = 0x20


@dataclass(eq=False)
class _Tokens:
    """Numbers between blanks, pipes and colons, in order, with their values."""

    start: Ints
    value: npt.NDArray
    plain: Mask  # digits only, few enough to be exact
    is_index: Mask  # ended by a colon
    follows_index: Mask  # begun by a colon
    colons: int


def _tokens(text: Bytes, kinds: Bytes) -> _Tokens:
    inside = (kinds != _BLANK) & (kinds != _COLON)
    # The block ends in a newline, so tokens begin and end in it; changes alternate between the two.
    changes = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    if inside[0]:
        changes = np.concatenate(([0], changes))
    start, stop = changes[0::2], changes[1::2]
    colons = int(np.count_nonzero(kinds == _COLON))
    value, plain = _numbers(text, kinds, start, stop)
    if not colons:
        nowhere = np.zeros(len(start), dtype=np.bool_)
        return _Tokens(start, value, plain, nowhere, nowhere, 0)
    is_index = text[stop] == ord(":")
    follows = text[start - 1] == ord(":")  # before the first byte stands, as it were, the last, a newline
    return _Tokens(start, value, plain, is_index, follows, colons)


def _sequence_ids(tokens: _Tokens, marks: _Marks, first: Ints, count: Ints) -> tuple[Mask, npt.NDArray[np.uint64]]:
    first, count, at = first[marks.is_line], count[marks.is_line], marks.at[marks.is_line]
    has_id = count == 1
    _require((count <= 1).all())
    token = first[has_id]
    _require((tokens.start[token] == at[has_id] + 1).all() and tokens.plain[token].all())
    _require(not tokens.is_index[token].any())
    ids = np.zeros(len(at), dtype=np.uint64)
    ids[has_id] = tokens.value[token].astype(np.uint64)
    return has_id, ids


def _samples(input: TextInput, tokens: _Tokens, line: Ints, first: Ints, count: Ints, mine: Mask) -> Samples:
    line, first, count = line[mine], first[mine], count[mine]
    if not input.sparse:
        _require((count == input.dim).all())
        if len(first) and len(tokens.value) == first[0] + len(first) * input.dim and _adjacent(first, input.dim):
            return Samples(line, tokens.value[first[0] :].reshape(-1, input.dim))
        return Samples(line, tokens.value[first[:, None] + np.arange(input.dim)])
    _require((count % 2 == 0).all())
    index = _concatenated(first, count)[0::2]
    _require(tokens.plain[index].all() and tokens.is_index[index].all())
    _require(tokens.follows_index[index + 1].all())
    indices = tokens.value[index]
    _require((indices < input.dim).all())
    return Samples(line, tokens.value[index + 1], count // 2, indices.astype(np.int32))


def _adjacent(first: Ints, dim: int) -> bool:
    return bool((np.diff(first) == dim).all())


def _concatenated(first: Ints, count: Ints) -> Ints:
    """The token numbers ``first, first + 1, ...`` of every sample, one sample after the other."""
    return np.arange(int(count.sum())) + np.repeat(first - (np.cumsum(count) - count), count)


def _numbers(text: Bytes, kinds: Bytes, start: Ints, stop: Ints) -> tuple[npt.NDArray, Mask]:
    """Values of the tokens, and which of them are digits only."""
    length = stop - start
    if len(start) == 0:
        return np.zeros(0), np.zeros(0, dtype=np.bool_)
    points, signs, exponents = (np.flatnonzero(kinds == k) for k in (_POINT, _SIGN, _EXPONENT))
    if not len(points) and not len(signs) and not len(exponents):
        return _digits(text, start, length), length <= _EXACT
    signed = kinds[start] == _SIGN
    whole = start + signed
    # Each token has at most one exponent and, before it, at most one point.
    exponent_at, has_exponent = _placed(exponents, start, stop, stop)
    point_at, has_point = _placed(points, start, stop, exponent_at)
    _require((point_at <= exponent_at).all())
    value = _digits(text, whole, point_at - whole, least=1).astype(np.float64, copy=False)
    with_fraction = np.flatnonzero(exponent_at - point_at > 1)
    begin = point_at[with_fraction] + 1
    digits = exponent_at[with_fraction] - begin
    value[with_fraction] += _digits(text, begin, digits) / _POWERS[digits + _ZEROTH]
    value[text[start] == ord("-")] *= -1.0
    _require(not (has_point & has_exponent & (exponent_at - point_at == 1)).any())
    scaled = np.flatnonzero(has_exponent)
    begin = exponent_at[scaled] + 1
    exponent_signed = kinds[begin] == _SIGN
    power = _digits(text, begin + exponent_signed, stop[scaled] - begin - exponent_signed, least=1)
    _require(len(signs) == np.count_nonzero(signed) + np.count_nonzero(exponent_signed))
    power = np.where(text[begin] == ord("-"), -power, power)
    _require((np.abs(power) <= _ZEROTH).all())
    value[scaled] *= _POWERS[power.astype(np.int64) + _ZEROTH]
    return value, (length <= _EXACT) & ~signed & ~has_point & ~has_exponent


def _placed(places: Ints, start: Ints, stop: Ints, default: Ints) -> tuple[Ints, Mask]:
    """For each token the one of ``places`` inside it, else ``default``; and whether there is one."""
    owner = np.searchsorted(start, places, side="right") - 1
    _require((np.diff(owner) > 0).all())
    at, present = default.copy(), np.zeros(len(start), dtype=np.bool_)
    at[owner], present[owner] = places, True
    return at, present


def _digits(text: Bytes, start: Ints, length: Ints, least: int = 0) -> npt.NDArray:
    """Unsigned decimals, accumulated digit by digit as the careful parser does."""
    if not len(start):
        return np.zeros(0)
    shortest, longest = int(length.min()), int(length.max())
    _require(shortest >= least and longest <= _LONGEST)
    # Seven digits are exact in the smaller type, which halves the traffic for the pixels and counts of most files.
    value = np.zeros(len(start), dtype=np.float32 if longest <= _EXACT_SINGLE else np.float64)
    for k in range(longest):
        if k < shortest:
            value *= 10
            value += text[start + k] - np.uint8(48) if k else text[start] - np.uint8(48)
        else:
            live = np.flatnonzero(length > k)
            value[live] = value[live] * 10 + (text[start[live] + k] - np.uint8(48))
    return value
