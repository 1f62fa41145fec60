"""Builds networks from text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from graphc.diagnostics import Diagnostics, SourceText
from graphc.network.build import build_network
from graphc.network.network import Network
from graphc.network.session import Session

Build = Callable[..., Network]


@pytest.fixture
def build() -> Build:
    """The network of a section; warnings are in ``diagnostics`` where the test passes some."""

    def run(
        text: str, *, diagnostics: Diagnostics | None = None, session: Session | None = None, **options: object
    ) -> Network:
        return build_network(
            SourceText.from_string(text, "model.bs"),
            session=session or Session(),
            diagnostics=diagnostics if diagnostics is not None else Diagnostics(),
            **options,  # pyright: ignore[reportArgumentType]
        )

    return run
