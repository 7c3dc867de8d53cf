"""Fixtures of the tests of simulate."""

from pathlib import Path

import pytest

from analytics.synthetic import District
from jobs.simulate import files
from tests.simulate.sending import STOP


@pytest.fixture(scope="session")
def made() -> District:
    return District(11, STOP)


@pytest.fixture(scope="session")
def folder(made: District, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of files, the last of them in minutes."""
    folder = tmp_path_factory.mktemp("district")
    files.write(folder, files.plan(made, STOP, days=3, minutes=1))
    return folder
