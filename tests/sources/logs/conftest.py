from contextlib import ExitStack
from functools import cache

import pytest

from agent.sources.logs import engine, rules
from tests.sources.logs.watching import Watch


@pytest.fixture(autouse=True, scope="session")
def compiled_once():
    """Compiling takes 70 ms; in one thread the same patterns need it once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "build", cache(engine.build))
        yield


@pytest.fixture
def watches():
    """Makes watches, and closes them at the end."""
    with ExitStack() as stack:

        def make(*paths, **settings):
            watch = Watch(*paths, **settings)
            stack.callback(watch.close)
            return watch

        yield make
