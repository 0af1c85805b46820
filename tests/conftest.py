"""Keeps the agent's cache out of the home of whoever runs the tests, and the fake GPU driver ready."""

import os

import pytest

from tests.support import nvml


def pytest_configure(config):
    os.environ["XDG_CACHE_HOME"] = str(config.cache.mkdir("gpuwarden"))


@pytest.fixture(scope="session")
def nvml_libraries(tmp_path_factory):
    """Compiles the fake library, once for each kind of driver."""
    made = {}

    def library(**kind):
        key = tuple(kind.items())
        if key not in made:
            made[key] = nvml.compiled(tmp_path_factory.mktemp("nvml"), **kind)
        if made[key] is None:
            pytest.skip("needs a C compiler for the fake GPU driver")
        return made[key]

    return library


@pytest.fixture
def drivers(nvml_libraries, tmp_path):
    """Makes fake drivers with so many GPUs."""
    made = []

    def make(gpus=1, **kind):
        folder = tmp_path / f"driver{len(made)}"
        folder.mkdir()
        made.append(nvml.FakeDriver(folder, nvml_libraries(**kind), gpus))
        return made[-1]

    yield make
    for driver in made:
        driver.close()
