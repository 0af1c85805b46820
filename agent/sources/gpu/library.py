"""Whether this node has NVIDIA's driver library, told without loading it: most nodes of a fleet may have none, and a
process that only waits for one would cost each of them memory.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

NAME = "libnvidia-ml.so.1"
CACHE = Path("/etc/ld.so.cache")
"""What the dynamic loader knows of installed libraries; holds their names as plain text."""
DRIVER = (Path("/proc/driver/nvidia"), Path("/dev/nvidiactl"))
"""What shows that there is a driver, wherever its library may be."""
USUAL = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
ABSENT = f"there is no NVIDIA driver library ({NAME}) on this node: GPUs are not watched"


def present(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the loader would find the library, or a driver is there that must have one."""
    return any(path.exists() for path in (*DRIVER, *_places(environ))) or NAME.encode() in _known()


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    named = environ.get("LD_LIBRARY_PATH", "").split(":")
    return (Path(folder) / NAME for folder in (*filter(None, named), *USUAL))


def _known() -> bytes:
    try:
        return CACHE.read_bytes()
    except OSError:
        return b""
