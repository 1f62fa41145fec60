"""A failing input made smaller while it still fails in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_LINES = re.compile(rb"[^\n]*\n|[^\n]+")
_TOKENS = re.compile(rb"\w+|\s+|[^\w\s]")


def shrink(data: bytes, fails: Callable[[bytes], bool], attempts: int = 300) -> bytes:
    """Delta debugging by lines, then tokens, then bytes, within that many attempts."""
    left = [attempts]
    for cut in (_LINES.findall, _TOKENS.findall, lambda d: [d[i : i + 1] for i in range(len(d))]):
        data = b"".join(_reduced(cut(data), lambda parts: fails(b"".join(parts)), left))
    return data


def _reduced(parts: Sequence[bytes], fails: Callable[[Sequence[bytes]], bool], left: list[int]) -> Sequence[bytes]:
    size = max(len(parts) // 2, 1)
    while parts and left[0] > 0:
        at = 0
        removed = False
        while at < len(parts) and left[0] > 0:
            candidate = [*parts[:at], *parts[at + size :]]
            left[0] -= 1
            if fails(candidate):
                parts, removed = candidate, True
            else:
                at += size
        if size == 1 and not removed:
            break
        size = max(size // 2, 1)
    return parts
