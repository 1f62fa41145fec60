"""The flag that rewrites what the pass fixtures expect."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-fixtures",
        action="store_true",
        help="write what each pass gives into tests/passes/*.txt; read the diff",
    )
