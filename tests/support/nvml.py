"""A fake NVIDIA driver: the library `fake_nvml.c`, compiled once a run, and the state that test and library share."""

import ctypes
import mmap
import os
import shutil
import subprocess
from contextlib import contextmanager, suppress
from ctypes import Structure, Union, c_char, c_double, c_int32, c_int64, c_uint32, c_uint64
from pathlib import Path

SOURCE = Path(__file__).with_name("fake_nvml.c")
GIB = 1 << 30
ABSENT = -(1 << 31)
"""A margin that the device does not have."""

UNSIGNED, UNSIGNED_LONG, SIGNED = 1, 3, 5
"""Types of a field's value (nvmlValueType_t)."""


class Fault(Structure):
    _fields_ = [("call", c_char * 48), ("device", c_int32), ("code", c_int32), ("block_ms", c_uint32), ("_", c_uint32)]


class _Value(Union):
    _fields_ = [("d", c_double), ("u", c_uint64), ("s", c_int64)]


class Field(Structure):
    _fields_ = [("id", c_uint32), ("type", c_uint32), ("code", c_int32), ("_", c_uint32), ("value", _Value)]


class Process(Structure):
    _fields_ = [("pid", c_uint32), ("_", c_uint32), ("bytes", c_uint64)]


class Device(Structure):
    _fields_ = [
        ("uuid", c_char * 80), ("name", c_char * 64), ("serial", c_char * 32), ("bus_id", c_char * 32),
        ("vbios", c_char * 32), ("minor", c_uint32), ("lost", c_uint32), ("utilization_gpu", c_uint32),
        ("utilization_memory", c_uint32), ("temperature", c_int32), ("margin", c_int32), ("thresholds", c_uint32 * 4),
        ("power_mw", c_uint32), ("limit_mw", c_uint32), ("sm_mhz", c_uint32), ("memory_mhz", c_uint32),
        ("max_sm_mhz", c_uint32), ("max_memory_mhz", c_uint32), ("memory_total", c_uint64),
        ("memory_reserved", c_uint64), ("memory_used", c_uint64), ("energy_mj", c_uint64), ("reasons", c_uint64),
        ("ecc_mode", c_uint32), ("persistence", c_uint32), ("mig_mode", c_uint32), ("retired_pending", c_uint32),
        ("ecc", (c_uint64 * 2) * 2), ("remapped", c_uint32 * 4), ("retired_pages", c_uint32 * 2),
        ("pcie_generation", c_uint32), ("pcie_width", c_uint32), ("pcie_max_generation", c_uint32),
        ("pcie_max_width", c_uint32), ("pcie_replays", c_uint32), ("links", c_uint32), ("link_up", c_uint32 * 18),
        ("link_errors", (c_uint32 * 4) * 18), ("process_count", c_uint32), ("field_count", c_uint32),
        ("processes", Process * 16), ("fields", Field * 48),
    ]  # fmt: skip

    def run(self, *processes):
        """Let these processes, as (pid, bytes), hold memory; `memory_used` follows."""
        for place, (pid, held) in enumerate(processes):
            self.processes[place] = Process(pid, 0, held)
        self.process_count = len(processes)
        self.memory_used = sum(held for _, held in processes)

    def set_field(self, number, value, kind=UNSIGNED_LONG, code=0):
        """Give a field value; `code` other than 0 is what NVML answers instead."""
        known = [place for place in range(self.field_count) if self.fields[place].id == number]
        place = known[0] if known else self.field_count
        self.fields[place] = Field(number, kind, code, 0, _Value(s=value))
        self.field_count = max(self.field_count, place + 1)


class _State(Structure):
    _fields_ = [
        ("calls", c_uint64), ("xid_sequence", c_uint64), ("xid_device", c_uint32), ("xid_number", c_uint32),
        ("device_count", c_uint32), ("initialised", c_uint32), ("driver", c_char * 32), ("nvml", c_char * 32),
        ("cuda", c_int32), ("_", c_uint32), ("faults", Fault * 16), ("devices", Device * 64),
    ]  # fmt: skip


class FakeDriver:
    """The state behind a fake library in `folder`. `environ` makes a program load it."""

    def __init__(self, folder, library, gpus=1):
        self.path = Path(folder) / "nvml.state"
        self.path.write_bytes(bytes(ctypes.sizeof(_State)))
        with self.path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self.state = _State.from_buffer(self._map)
        self.state.driver, self.state.nvml, self.state.cuda = b"580.65.06", b"13.580.65.06", 13000
        self.state.device_count = gpus
        for index in range(gpus):
            _h100(self.state.devices[index], index)
        self.environ = {"LD_LIBRARY_PATH": str(Path(library).parent), "NVML_FAKE_FILE": str(self.path)}

    def __getitem__(self, index):
        return self.state.devices[index]

    @property
    def calls(self):
        """How many calls were made so far."""
        return self.state.calls

    def fail(self, call, code=0, *, device=-1, block_ms=0):
        """Let calls fail with a code of NVML, crash (by signal `-code`), or block first; `"*"` means every call."""
        free = next(place for place in range(16) if not self.state.faults[place].call)
        self.state.faults[free] = Fault(call.encode(), device, code, block_ms, 0)

    def heal(self):
        """Forget every fault."""
        for place in range(16):
            self.state.faults[place] = Fault()

    def xid(self, number, device=0):
        """Report an Xid to whoever waits for events."""
        self.state.xid_device, self.state.xid_number = device, number
        self.state.xid_sequence += 1

    @contextmanager
    def in_use(self):
        """Let programs that are started meanwhile load it."""
        before = {name: os.environ.get(name) for name in self.environ}
        os.environ.update(self.environ)
        try:
            yield self
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})

    def close(self):
        """Let go of the shared state."""
        del self.state
        with suppress(BufferError):  # a test that failed may still hold a device
            self._map.close()


def compiled(folder, *, old_driver=False):
    """Compile the library into `folder` as `libnvidia-ml.so.1`; None where there is no C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    library = Path(folder) / "libnvidia-ml.so.1"
    flags = ["-DOLD_DRIVER"] if old_driver else []
    command = [compiler, *flags, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library, SOURCE]
    subprocess.run(list(map(os.fspath, command)), check=True, capture_output=True, timeout=60)
    return library


def _h100(device, index):
    """Fill in what an idle H100 answers."""
    device.uuid = f"GPU-{index:08x}-1111-2222-3333-444455556666".encode()
    device.name, device.vbios = b"NVIDIA H100 80GB HBM3", b"96.00.99.00.01"
    device.serial, device.bus_id = f"16530{index:08d}".encode(), f"00000000:{index + 5:02X}:00.0".encode()
    device.minor, device.temperature, device.margin = index, 34, 53
    device.thresholds[:] = (92, 89, 95, 87)
    device.power_mw, device.limit_mw = 72_000, 700_000
    device.sm_mhz, device.max_sm_mhz, device.memory_mhz, device.max_memory_mhz = 345, 1_980, 2_619, 2_619
    device.memory_total, device.memory_reserved = 80 * GIB, 600 << 20
    device.energy_mj, device.reasons, device.ecc_mode, device.persistence = 1_000_000, 1, 1, 1
    device.pcie_generation, device.pcie_width, device.pcie_max_generation, device.pcie_max_width = 5, 16, 5, 16
    device.links = 18
    device.link_up[:] = (1,) * 18
    device.set_field(82, 40, UNSIGNED)
    device.set_field(194, -2, SIGNED)
    device.set_field(230, 0, UNSIGNED)
    for number in (74, 75, 76, 269, 270, 271):
        device.set_field(number, 0)
