"""`scan`: finished logs, read from files, compressed or not."""

import bz2
import gzip
import json
import lzma

import pytest

FAILED = (
    b"***** Running training *****\n"
    b"  1%|          | 1/100 [00:02<03:18,  2.00s/it, loss=2.5]\r"
    b"  2%|2         | 2/100 [00:04<03:16,  2.00s/it, loss=2.25]\n"
    b"[rank3]: Traceback (most recent call last):\n"
    b'[rank3]:   File "train.py", line 3, in <module>\n'
    b"[rank3]:     main()\n"
    b"[rank3]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 3 has a total capacity of "
    b"79.00 GiB of which 1.00 GiB is free.\n"
)


@pytest.fixture
def log(here):
    path = here / "run.log"
    path.write_bytes(FAILED)
    return path


def test_a_finding_is_one_object_and_the_summary_the_last(call, log):
    result = call("scan", "--json", log)
    assert result.exit_code == 0
    *findings, summary = map(json.loads, result.stdout.splitlines())
    (oom,) = [item for item in findings if item["kind"] == "gpu_oom"]
    assert oom == {
        "file": str(log),
        "offset": FAILED.index(b"[rank3]: torch"),
        "kind": "gpu_oom",
        "signature": "torch_oom",
        "severity": "critical",
        "text": FAILED.splitlines()[-1].decode().removeprefix("[rank3]: "),
        "rank": 3,
        "facts": oom["facts"],
    }
    assert (oom["facts"]["tried"], oom["facts"]["free"], oom["facts"]["total"]) == (2 << 30, 1 << 30, 79 << 30)
    assert summary == {
        "kind": "summary",
        "file": str(log),
        "framework": "transformers",
        "outcome": "failed",
        "reason": "gpu_oom",
        "step": 2,
        "total_steps": 100,
        "epoch": None,
        "loss": 2.25,
        "first_step": 1,
        "bytes": len(FAILED),
    }


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_compressed_log_is_read_too(call, here, ending, pack):
    path = here / f"run.log.{ending}"
    path.write_bytes(pack(FAILED))
    summary = json.loads(call("scan", "--json", path).stdout.splitlines()[-1])
    assert (summary["reason"], summary["bytes"]) == ("gpu_oom", len(FAILED))


def test_a_log_that_is_not_compressed_as_its_name_says_fails_alone(call, here, log):
    broken = here / "run.log.gz"
    broken.write_bytes(FAILED)
    result = call("scan", "--json", broken, log)
    assert result.exit_code == 1
    assert f"gpuwarden: {broken}: Not a gzipped file" in result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["file"] == str(log)


def test_a_missing_file_ends_with_2(call, here, log):
    result = call("scan", log, here / "none.log")
    assert result.exit_code == 2
    assert "none.log' does not exist" in result.stderr
    assert result.stdout == ""


def test_for_people_the_outcome_stands_first(call, log):
    first, header, *rows = call("scan", log).stdout.splitlines()
    assert first == f"{log}: failed (gpu_oom), {len(FAILED)} B read, step 2/100, loss 2.25, transformers"
    assert header.split() == ["BYTE", "SEVERITY", "KIND", "TEXT"]
    assert rows[-1].split()[:5] == [str(FAILED.index(b"[rank3]: torch")), "critical", "gpu_oom", "[rank", "3]"]


def test_signatures_of_the_users_own_are_looked_for(call, file, log):
    config = file('[[sources.logs.signatures]]\nid = "mine"\npattern = "out of memory"\nkind = "crash"\n')
    summary = json.loads(call("--config", config, "scan", "--json", log).stdout.splitlines()[-1])
    assert summary["reason"] == "crash"


def test_a_configuration_that_cannot_be_used_ends_with_2(call, file, log):
    assert call("--config", file("[sources.logs\n"), "scan", log).exit_code == 2
