"""The stage of the plays, once for all tests here; see stage.py."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from stage import Stage  # noqa: E402


@pytest.fixture(scope="session")
def performed():
    """The stage; each test begins with empty hands (see `stage`)."""
    with Stage() as stage:
        yield stage


@pytest.fixture
def stage(performed):
    before = dict(performed.cluster.settings)
    performed.begin()
    yield performed
    performed.cluster.settings = before
    performed.cluster.reload()
    performed.system.register()
    performed.clear()
