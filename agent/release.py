"""Which release this is."""

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """The version of this distribution; a source tree that was never installed has none."""
    try:
        return version("gpuwarden")
    except PackageNotFoundError:
        return "0+source"
