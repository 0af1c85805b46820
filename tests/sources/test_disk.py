"""The disk source on real directories: a table of mounts in, samples and notes out."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.core.clock import Instant
from agent.core.disk import readings
from agent.core.ports import Unavailable
from agent.sources import mounts
from agent.sources.disk import NOT_BY_ITSELF, Config, DiskSource
from agent.sources.mounts import Mount, NotWatchable

NOW = Instant(0, 0.0)


def table(path: Path, *lines: str) -> Path:
    file = path / "mounts"
    file.write_text("".join(f"{line} rw,relatime 0 0\n" for line in ("tmpfs / tmpfs", *lines)))
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory that plays the root of a node, with places to mount on."""
    for name in ("data", "scratch", "nfs"):
        (tmp_path / "root" / name).mkdir(parents=True)
    return tmp_path / "root"


def source(root: Path, *lines: str, always: tuple[Path, ...] = (), **config: object) -> DiskSource:
    return DiskSource(Config.model_validate(config), always, table(root.parent, *lines))


def test_the_table_is_decoded_and_the_last_mount_on_a_place_counts() -> None:
    text = rb"""rootfs / rootfs rw 0 0
/dev/sda1 / ext4 rw 0 0
/dev/sdb1 /my\040data\011\134x\043 xfs rw 0 0
/dev/sdc1 /b\303\266se\377 ext4 rw 0 0
broken
"""
    assert mounts.parse(text) == (
        Mount("/dev/sda1", "/", "ext4"),
        Mount("/dev/sdb1", "/my data\t\\x#", "xfs"),
        Mount("/dev/sdc1", "/böse\udcff", "ext4"),
    )


@pytest.mark.parametrize(
    ("line", "watched"),
    [
        ("/dev/nvme0n1p2 /data xfs", True),
        ("tank/home /data zfs", True),
        ("overlay / overlay", True),
        ("overlay /var/lib/docker/overlay2/x/merged overlay", False),
        ("/dev/sda1 /boot/efi vfat", False),
        ("tmpfs /dev/shm tmpfs", False),
        ("/dev/loop3 /snap/core/1 squashfs", False),
        ("/dev/loop4 /mnt/image ext4", False),
        ("host:/x /nfs nfs4", False),
        ("proc /proc proc", False),
    ],
)
def test_auto_means_the_nodes_own_disks(line: str, *, watched: bool) -> None:
    assert bool(mounts.disks(mounts.parse(f"{line} rw 0 0\n".encode()))) is watched


@pytest.mark.parametrize("fstype", ["nfs4", "lustre", "fuse.sshfs", "fuseblk", "ceph"])
def test_what_may_hang_is_named_and_never_measured(root: Path, fstype: str) -> None:
    disks = source(root, f"/dev/sda1 {root} ext4", f"server:/x {root}/nfs {fstype}")
    disks.read(NOW)
    assert disks.watched == (str(root),)
    assert disks.skipped == (f"{root}/nfs ({fstype}): {NOT_BY_ITSELF}",)


def test_pseudo_file_systems_are_not_worth_a_word(root: Path) -> None:
    disks = source(root, f"/dev/sda1 {root} ext4", "proc /proc proc", "fusectl /sys/fs/fuse fusectl", "a /run/a fuse.x")
    disks.read(NOW)
    assert disks.skipped == ()


def test_samples_give_the_numbers_that_df_gives(root: Path) -> None:
    (reading,) = readings(source(root, f"/dev/sda1 {root} ext4").read(NOW).samples)
    found = os.statvfs(root)
    assert (reading.mountpoint, reading.device, reading.fstype) == (str(root), "/dev/sda1", "ext4")
    assert reading.size_bytes == found.f_blocks * found.f_frsize
    assert 0 <= reading.used_percent <= 100
    assert not reading.readonly


def test_one_device_is_measured_once_at_its_shortest_place(root: Path) -> None:
    disks = source(root, f"/dev/sda1 {root}/data ext4", f"/dev/sda1 {root} ext4", f"/dev/sda1 {root}/scratch ext4")
    disks.read(NOW)
    assert disks.watched == (str(root),)


def test_a_single_file_that_a_container_mounts_is_no_place_for_data(root: Path) -> None:
    (root / "hosts").touch()
    disks = source(root, f"/dev/sda1 {root}/hosts ext4", f"/dev/sda1 {root}/scratch ext4")
    disks.read(NOW)
    assert disks.watched == (f"{root}/scratch",)


def test_a_mount_that_fails_is_told_once_and_spoils_no_other(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    disks = source(root, f"/dev/sda1 {root}/data ext4", f"/dev/sdb1 {root}/gone ext4")
    for _ in range(2):
        assert len(readings(disks.read(NOW).samples)) == 1
    assert disks.skipped == (f"{root}/gone (ext4): No such file or directory",)
    assert len(caplog.records) == 1


def test_a_mount_that_comes_later_is_found(root: Path) -> None:
    disks = source(root, f"/dev/sda1 {root} ext4")
    disks.read(NOW)
    table(root.parent, f"/dev/sda1 {root} ext4", f"/dev/sdb1 {root}/data ext4")
    disks.read(NOW)
    assert disks.watched == (str(root), f"{root}/data")


def test_the_state_directory_is_watched_wherever_it_lies(root: Path) -> None:
    lines = [f"/dev/sda1 {root} ext4", f"tmpfs {root}/scratch tmpfs"]
    disks = source(root, *lines, always=(root / "scratch",))
    disks.read(NOW)
    assert disks.watched == (str(root), f"{root}/scratch")
    assert disks.skipped == ()


def test_explicit_paths_stand_for_the_mounts_that_hold_them(root: Path) -> None:
    (root / "data" / "runs").mkdir()
    lines = [f"/dev/sda1 {root} ext4", f"/dev/sdb1 {root}/data ext4", f"h:/x {root}/nfs nfs"]
    disks = source(root, *lines, paths=[f"{root}/data/runs", f"{root}/data"])
    disks.read(NOW)
    assert disks.watched == (f"{root}/data",)
    assert disks.skipped == ()


def test_an_explicit_network_path_is_left_to_a_child_untouched(root: Path) -> None:
    lines = [f"/dev/sda1 {root} ext4", f"h:/x {root}/nfs nfs"]
    disks = source(root, *lines, paths=[f"{root}", f"{root}/nfs/never/looked/at", f"{root}/missing"])
    disks.read(NOW)
    assert disks.watched == (str(root),)
    assert disks.skipped == (f"{root}/missing: does not exist",)


def test_links_are_followed_as_long_as_they_stay_local(root: Path) -> None:
    (root / "here").symlink_to("data")
    (root / "data" / "up").symlink_to("../scratch")
    (root / "there").symlink_to(root / "nfs" / "deep")
    (root / "round").symlink_to("round")
    everything = mounts.parse(
        f"/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 {root}/scratch xfs rw 0 0\nh:/x {root}/nfs nfs rw 0 0\n".encode()
    )
    assert mounts.locate(root / "here" / "up", everything).device == "/dev/sdb1"
    with pytest.raises(NotWatchable, match=r"\(nfs\), which is not a local file system"):
        mounts.locate(root / "there", everything)
    with pytest.raises(NotWatchable, match="go in circles"):
        mounts.locate(root / "round", everything)


def test_nothing_to_measure_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not exist"):
        source(root, f"/dev/sda1 {root} ext4", paths=[str(root / "missing")]).read(NOW)
    with pytest.raises(Unavailable, match="no local file system"):
        source(root, "proc /proc proc").read(NOW)
    with pytest.raises(Unavailable, match="on Linux"):
        DiskSource(Config(), table=tmp_path / "absent").read(NOW)


def test_labels_hold_nothing_that_no_encoding_accepts(root: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(root) + b"/odd\xff"))
    odd.mkdir()
    file = root.parent / "mounts"
    file.write_bytes(b"/dev/sda1 " + os.fsencode(odd) + b" ext4 rw 0 0\n")
    (reading,) = readings(DiskSource(Config(), table=file).read(NOW).samples)
    assert reading.mountpoint == f"{root}/odd\ufffd"


def test_this_machine_can_be_measured() -> None:
    disks = DiskSource(Config(), always=(Path("/"),))
    assert readings(disks.read(NOW).samples)
    assert "/" in disks.watched


def test_the_settings_are_those_of_the_contract() -> None:
    config = Config.model_validate({"interval": "1m", "for": "2m", "paths": ["/data"]})
    assert (config.interval, config.for_, config.paths) == (60, 120, (Path("/data"),))
    assert (Config().interval, Config().for_, Config().paths) == (30, 60, "auto")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"warn_percent": 98}, "found warn_percent 98 above critical_percent 97"),
        ({"warn_percent": 101}, "less than or equal to 100"),
        ({"interval": "0s"}, "greater than or equal to 1"),
        ({"paths": ["data"]}, 'found "data", expected an absolute path'),
        ({"path": "auto"}, "Extra inputs"),
        ({"for": "soon"}, "is no duration"),
    ],
)
def test_bad_settings_are_refused(table: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Config.model_validate(table)
