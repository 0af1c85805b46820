"""The kernel's log: records as `/dev/kmsg` gives them, and the lines that matter."""

import pytest

from agent.core.kernel_log import KernelKind, Reader, Recognised, Record, records


def said(*texts, facility=0):
    reader = Reader()
    found = [reader.recognise(Record(facility, number, 0, text)) for number, text in enumerate(texts)]
    return [item for item in found if item is not None]


def test_records_are_cut_decoded_and_told_apart_by_facility():
    data = (
        b"4,1207,5140900,-;NVRM: loading NVIDIA UNIX\n"
        b" SUBSYSTEM=pci\n DEVICE=+pci:0000:05:00.0\n"
        b"12,1208,5140999,-;hello from user space\n"
        b"6,1209,5141000,c;caf\\xc3 \\x1b[31mred\n"
        b"garbage\n7,1210\n"
    )

    assert list(records(data)) == [
        Record(0, 1207, 5140900, "NVRM: loading NVIDIA UNIX"),
        Record(1, 1208, 5140999, "hello from user space"),
        Record(0, 1209, 5141000, "cafÃ red"),
    ]


def test_an_imitated_xid_from_user_space_is_nothing():
    line = "NVRM: Xid (PCI:0000:05:00): 79, GPU has fallen off the bus."

    assert said(line, facility=1) == []
    assert said(line) == [
        Recognised(
            KernelKind.XID, line, pci="0000:05:00", xid=79, facts={"detail": "GPU has fallen off the bus."}
        )
    ]


def test_a_lost_gpu_told_over_three_lines_is_one_xid():
    (found,) = said(
        "NVRM: The NVIDIA GPU 0000:b3:00.0",
        "NVRM: (PCI ID: 10de:2330) installed in this system has",
        "NVRM: fallen off the bus and is not responding to commands.",
        "NVRM: fallen off the bus and is not responding to commands.",
    )

    assert (found.pci, found.xid) == ("0000:b3:00", 79)


def test_a_kill_in_a_cgroup_names_group_limit_and_what_the_process_held():
    (found,) = said(
        "python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
        "memory: usage 1048576kB, limit 1048576kB, failcnt 1093",
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,oom_memcg=/kubepods/pod1,"
        "task_memcg=/kubepods/pod1/c1,task=python3,pid=629,uid=1000",
        "Memory cgroup out of memory: Killed process 629 (python3) total-vm:3000000kB, anon-rss:1040000kB, "
        "file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:2100kB oom_score_adj:0",
    )

    assert (found.kind, found.pid, found.process) == (KernelKind.OOM_KILL, 629, "python3")
    assert found.facts == {
        "scope": "cgroup", "cgroup": "/kubepods/pod1", "limit": 1 << 30, "resident": 1_040_000 << 10,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "pid", "process"),
    [
        ("Out of memory: Killed process 629 (pt_data worker) total-vm:1kB, anon-rss:5kB", 629, "pt_data worker"),
        ("Out of memory: Kill process 77 (python) score 905 or sacrifice child", 77, "python"),
        ("Memory cgroup out of memory: Kill process 7 (a) b) score 1 or sacrifice child", 7, "a"),
    ],
)
def test_kills_of_the_whole_node_and_of_old_kernels(line, pid, process):
    (found,) = said(line)

    assert (found.kind, found.pid, found.process) == (KernelKind.OOM_KILL, pid, process)


@pytest.mark.parametrize(
    ("line", "kind", "device"),
    [
        ("Buffer I/O error on dev sdb1, logical block 0, async page read", KernelKind.DISK_IO, "sdb1"),
        ("blk_update_request: I/O error, dev nvme1n1, sector 2048 op 0x0:(READ)", KernelKind.DISK_IO, "nvme1n1"),
        ("nvme nvme0: I/O 5 QID 3 timeout, reset controller", KernelKind.DISK_IO, "nvme0"),
        ("nvme nvme0: Disabling device after reset failure: -19", KernelKind.DISK_IO, "nvme0"),
        ("EXT4-fs error (device dm-0): ext4_lookup:1855: inode #2: comm ls: bad", KernelKind.DISK_IO, "dm-0"),
        ("XFS (sda1): Corruption of in-memory data detected.  Shutting down filesystem", KernelKind.DISK_IO, "sda1"),
        ("BTRFS error (device sdc state EA): bad tree block start", KernelKind.DISK_IO, "sdc"),
        ("EXT4-fs (dm-0): Remounting filesystem read-only", KernelKind.READ_ONLY, "dm-0"),
        ("BTRFS info (device sdc): forced readonly", KernelKind.READ_ONLY, "sdc"),
    ],
)
def test_disks_that_break(line, kind, device):
    (found,) = said(line)

    assert (found.kind, found.device) == (kind, device)


@pytest.mark.parametrize(
    "line",
    [
        "AER: Corrected error received: 0000:00:01.0",
        "EXT4-fs (sda1): mounted filesystem with ordered data mode. Opts: (null)",
        "oom_reaper: reaped process 629 (python3), now anon-rss:0kB",
        "Memory: 24000000K/25165824K available",
        "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.65.06",
    ],
)
def test_what_every_healthy_node_says_is_nothing(line):
    assert said(line) == []
