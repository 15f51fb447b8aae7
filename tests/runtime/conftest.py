"""Builds, once for all tests of a run, and again only where something changed."""

import pytest

from local.sam.artifacts import Artifacts
from local.sam.build import build, kept
from local.sam.emulator import own_architecture
from local.sam.tools import Tools
from tests.needing import PROJECT, needed


@pytest.fixture(scope="session")
def tools() -> Tools:
    with needed() as tools:
        assert all((tools.sam, tools.python, tools.emulator(own_architecture())))
    return tools


@pytest.fixture(scope="session")
def artifacts(tools: Tools) -> Artifacts:
    """For this machine's architecture."""
    return built(own_architecture())


@pytest.fixture(scope="session", params=["arm64", "x86_64"])
def each_build(request: pytest.FixtureRequest, tools: Tools) -> Artifacts:
    return built(request.param)


def built(architecture: str) -> Artifacts:
    return build(PROJECT, architecture, kept(PROJECT, architecture))
