"""What the agent reads of a real GPU beside what `nvidia-smi` says of it at the same moment. Needs no PyTorch."""

import csv
import json
import subprocess
import sys
from contextlib import contextmanager

import pytest

from agent.core.xids import normalised

pytestmark = pytest.mark.usefixtures("gpus")

FIELDS = (
    "index", "uuid", "name", "pci.bus_id", "driver_version", "memory.total", "memory.used", "utilization.gpu",
    "temperature.gpu", "power.draw", "power.limit",
)  # fmt: skip
MIB = 1 << 20
HELD = 1 << 30
HOLDS = f"""
import ctypes, sys
cuda = ctypes.CDLL("libcuda.so.1")
device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
for code in (
    cuda.cuInit(0),
    cuda.cuDeviceGet(ctypes.byref(device), 0),
    cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device),
    cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t({HELD})),
):
    assert code == 0, code
print("holding", flush=True)
sys.stdin.read()
"""


def smi():
    command = ["nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    rows = csv.reader(listing.splitlines(), skipinitialspace=True)
    return [dict(zip(FIELDS, row, strict=True)) for row in rows]


def ours():
    done = subprocess.run([sys.executable, "-m", "agent", "gpus", "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def number(text):
    """A number as nvidia-smi writes it; None for what it does not know."""
    try:
        return float(text)
    except ValueError:
        return None


@contextmanager
def holding():
    """A process that holds a GiB of GPU 0, without any framework."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "holding\n"
        yield process.pid
        process.stdin.close()


def test_identities_are_those_that_nvidia_smi_tells():
    assert [(str(gpu["index"]), gpu["uuid"], gpu["name"], gpu["pci"]) for gpu in ours()] == [
        (row["index"], row["uuid"], row["name"], normalised(row["pci.bus_id"])) for row in smi()
    ]


def test_values_are_those_that_nvidia_smi_tells():
    for gpu, row in zip(ours(), smi(), strict=True):
        told = {name: number(row[name]) for name in FIELDS}
        assert gpu["memory_total_bytes"] / MIB == pytest.approx(told["memory.total"], abs=1)
        assert gpu["memory_used_bytes"] / MIB == pytest.approx(told["memory.used"], abs=64)
        assert gpu["temperature_celsius"] == pytest.approx(told["temperature.gpu"], abs=4)
        assert gpu["power_limit_watts"] == pytest.approx(told["power.limit"], abs=1)
        assert gpu["power_watts"] == pytest.approx(told["power.draw"], rel=0.5, abs=20)
        assert (gpu["utilization_percent"] is None) is (told["utilization.gpu"] is None)
        assert gpu["state"] == "ok"


def test_a_process_and_what_it_holds_are_seen():
    before = ours()[0]
    with holding() as pid:
        during = ours()[0]
    after = ours()[0]

    assert during["memory_used_bytes"] - before["memory_used_bytes"] >= HELD
    assert after["memory_used_bytes"] < during["memory_used_bytes"]
    held = {process["pid"]: process["memory_bytes"] for process in during["processes"]}
    seen = held.get(pid, max(held.values(), default=0))  # in a container the pid is another one
    assert seen is None or seen >= HELD
