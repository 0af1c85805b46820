"""Keeps what the agent caches out of the home of whoever runs the tests."""

import os


def pytest_configure(config):
    os.environ["XDG_CACHE_HOME"] = str(config.cache.mkdir("gpuwarden"))
