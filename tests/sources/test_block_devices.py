"""What stands on a block device, over folders laid out as sysfs lays them out."""

from pathlib import Path

import pytest

from agent.core.disk import DiskFault
from agent.sources import block_devices


@pytest.fixture
def system(tmp_path):
    """Two disks with volumes, two that are striped, two that are mirrored, one reached by two ways."""

    def device(name, *holders, **texts):
        (tmp_path / name / "holders").mkdir(parents=True)
        for holder in holders:
            (tmp_path / name / "holders" / holder).touch()
        for path, text in texts.items():
            file = tmp_path / name / path.replace("_", "/")
            file.parent.mkdir()
            file.write_text(f"{text}\n")

    device("nvme0n1")
    device("nvme0n1p1")
    device("nvme0n1p2", "dm-0")
    device("dm-0", "dm-1", dm_name="luks")
    device("dm-1", dm_name="vg-root")
    device("nvme1n1", "md0")
    device("nvme2n1", "md0")
    device("md0", md_level="raid0")
    device("sda1", "md1")
    device("sdb1", "md1")
    device("md1", "dm-2", md_level="raid1")
    device("dm-2", dm_name="vg-home")
    device("sdc", "dm-3")
    device("dm-3", dm_uuid="mpath-3600a0b80000f8")
    return tmp_path


@pytest.mark.parametrize(
    ("device", "standing"),
    [
        ("nvme0n1", ("mapper/luks", "mapper/vg-root", "nvme0n1", "nvme0n1p1", "nvme0n1p2")),
        ("nvme0", ("mapper/luks", "mapper/vg-root", "nvme0n1", "nvme0n1p1", "nvme0n1p2")),
        ("nvme0n1p1", ("nvme0n1p1",)),
        ("nvme2n1", ("md0", "nvme2n1")),
        ("md1", ("mapper/vg-home", "md1")),
        ("sda", ("sda1",)),
        ("sdc", ("sdc",)),
        ("dm-0", ("mapper/luks", "mapper/vg-root")),
        ("gone", ()),
    ],
)
def test_what_loses_data_with_a_device(system, device, standing):
    assert block_devices.standing_on(device, system) == standing


def test_a_fault_of_a_disk_concerns_the_volumes_on_it_and_not_the_array_that_goes_on_without_it(system):
    faulty = DiskFault("nvme0n1", "", 0, affected=block_devices.standing_on("nvme0n1", system))
    assert faulty.concerns("/dev/mapper/vg-root")
    mirrored = DiskFault("sda", "", 0, affected=block_devices.standing_on("sda", system))
    assert mirrored.concerns("/dev/sda1")
    assert not mirrored.concerns("/dev/mapper/vg-home")


@pytest.mark.parametrize(
    ("device", "name"), [("dm-1", "mapper/vg-root"), ("dm-9", "dm-9"), ("cciss!c0d0p1", "cciss/c0d0p1"), ("sda", "sda")]
)
def test_a_device_is_named_as_it_is_mounted(system, device, name):
    assert block_devices.named(device, system) == name


def test_without_sysfs_nothing_is_known(tmp_path):
    assert block_devices.standing_on("sda", tmp_path / "none") == ()


@pytest.mark.skipif(not Path("/sys/class/block").is_dir(), reason="no sysfs")
def test_every_device_of_this_machine_stands_on_itself():
    for device in Path("/sys/class/block").iterdir():
        assert block_devices.named(device.name) in block_devices.standing_on(device.name)
