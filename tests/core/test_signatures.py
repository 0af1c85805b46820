"""Every built-in signature against its samples: `+` lines it must claim, `-` lines it must leave alone."""

import re
from pathlib import Path

import pytest

from agent.core.facts import FindingKind, Role
from agent.core.lines import clean
from agent.core.model import Severity
from agent.core.signatures import builtin, excerpt, from_table, read, recognise, unanchored, with_own

SAMPLES = Path(__file__).parent / "signature_samples"
LONG = 100_000
"""Characters of a hostile line, many times what a record may hold."""
BY_ID = {signature.id: signature for signature in builtin()}


def samples(mark):
    return [
        pytest.param(path.stem, line[2:], id=f"{path.stem}-{number}")
        for path in sorted(SAMPLES.glob("*.txt"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.startswith(f"{mark} ")
    ]


def meaning(text):
    found = recognise(builtin(), clean(text.encode()).text)
    return found[0].id if found else None


def test_every_signature_has_samples_of_both_kinds():
    for name in BY_ID:
        marks = {line[:2] for line in (SAMPLES / f"{name}.txt").read_text().splitlines()}
        assert marks == {"+ ", "- "}, name


def test_every_sample_belongs_to_a_signature():
    assert {path.stem for path in SAMPLES.glob("*.txt")} == set(BY_ID)


@pytest.mark.parametrize(("name", "line"), samples("+"))
def test_a_signature_claims_its_lines_and_no_other_steals_them(name, line):
    assert meaning(line) == name


@pytest.mark.parametrize(("name", "line"), samples("+"))
def test_the_pattern_for_raw_bytes_finds_what_the_signature_claims(name, line):
    assert re.search(BY_ID[name].pattern.encode(), line.encode())


HEALTHY = [
    " 12%|█▏        | 2899/25120 [2:12:20<16:58:37,  2.75s/it, loss=0.0841, step_time=50.94s]",
    "{'loss': 2.0491, 'grad_norm': 0.31, 'learning_rate': 1.96e-04, 'epoch': 0.28}",
    "Epoch 0:  22%|██▏       | 4/18 [00:17<01:02,  4.47s/it, loss=9.947, v_num=193315]",
    " iteration 100/ 500 | lm loss: 7.9E+00 | grad norm: 3.3 | skipped iterations: 0 | number of nan iterations: 0 |",
    "[2021-05-27 19:54:20,386] [INFO] [logging.py:60:log_dist] [Rank 0] step=2, skipped=0, lr=[3.75e-05]",
    "[rank0]:[titan] 2025-06-16 22:31:04,970 - root - INFO - step: 210  loss:  6.0388  memory: 49.66GiB(52.28%)",
    "completed step: 3, seconds: 10.344, TFLOP/s/device: 346.9, Tokens/s/device: 19222.1, loss: 12.979",
    "iter 3000: loss 4.2490, time 35392.33ms, mfu 13.85%",
    "2020-07-17 | INFO | train_inner | epoch 001:   2900 / 160368 loss=8.979, num_updates=2900, gnorm=2.39, oom=0",
    "Train: 0 [ 150/1251 ( 12%)]  Loss: 6.91 (6.93)  Time: 0.345s,  741.96/s  LR: 1.000e-05  Data: 0.010 (0.025)",
    "    32/1000      6.73G      1.186     0.5757      1.128          6        640: 100%|██| 16/16 [00:05<00:00]",
    "[11/01 11:27:04 d2.utils.events]: eta: 8:05:12  iter: 1259  total_loss: 1.012  lr: 0.01  max_mem: 3961M",
    "04/21 21:03:53 - mmengine - INFO - Epoch(train) [1][60/90]  lr: 1.0e-02  eta: 0:00:04  loss: -32.4743",
    " 15/100 [===>....] - ETA: 3:55 - loss: 1.6979e-05 - binary_accuracy: 0.0661",
    "(TaskRunner pid=1) step:2 - actor/pg_loss:0.001 - actor/grad_norm:0.069 - timing_s/step:96.551",
    "[12]\tvalidation-logloss:0.4312",
    "Train Epoch: 1 [2700/246000 (18%)]\tLoss: 0.000002425569619",
]


@pytest.mark.parametrize("line", HEALTHY)
def test_what_healthy_logs_are_full_of_costs_no_second_look(line):
    assert [name for name, signature in BY_ID.items() if re.search(signature.pattern.encode(), line.encode())] == []


@pytest.mark.parametrize(("name", "line"), samples("-"))
def test_a_signature_leaves_other_lines_alone(name, line):
    assert BY_ID[name].match(clean(line.encode()).text) is None


@pytest.mark.parametrize("signature", builtin(), ids=lambda signature: signature.id)
def test_a_hostile_line_takes_linear_time(signature):
    # A quadratic pattern would not end within the time that a test is given.
    for seed in (*signature_words(signature), "oom ", "{'", "| Name ", "a.", "[Errno "):
        text = (seed * (LONG // len(seed) + 1))[:LONG]
        match = signature.match(text)
        assert match is None or match.end() <= len(text)
        assert read(signature, text).kind in FindingKind


def signature_words(signature):
    lines = (SAMPLES / f"{signature.id}.txt").read_text().splitlines()
    first = lines[0][2:]
    return [first, first[: len(first) // 2], first[-12:]]


def test_the_numbers_of_an_out_of_memory_error_are_bytes():
    text = (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 896.00 MiB. GPU 3 has a total capacity of 21.99 "
        "GiB of which 759.38 MiB is free. Of the allocated memory 20.00 GiB is allocated by PyTorch, and 512.00 MiB is "
        "reserved by PyTorch but unallocated."
    )
    facts = read(BY_ID["torch_oom"], text).facts
    assert facts["tried"] == 896 << 20
    assert facts["gpu"] == 3
    assert facts["total"] == int(21.99 * 2**30)
    assert facts["free"] == 796_267_642
    assert facts["allocated"] == 20 << 30
    assert facts["unallocated"] == 512 << 20
    assert facts["reserved"] == (20 << 30) + (512 << 20)


def test_the_older_form_gives_the_same_facts():
    text = (
        "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 14.00 GiB total capacity; 8.00 GiB "
        "already allocated; 19.75 MiB free; 13.00 GiB reserved in total by PyTorch)"
    )
    facts = read(BY_ID["torch_oom"], text).facts
    assert (facts["tried"], facts["total"], facts["gpu"]) == (20 << 20, 14 << 30, 0)
    assert (facts["allocated"], facts["reserved"], facts["unallocated"]) == (8 << 30, 13 << 30, 5 << 30)


@pytest.mark.parametrize(
    ("name", "text", "tried"),
    [
        ("tf_oom", "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4770354232 bytes.", 4770354232),
        ("tf_oom", "Resource exhausted: Failed to allocate request for 32.00MiB (33554432B) on device", 32 << 20),
        ("tf_oom", "RESOURCE_EXHAUSTED: Attempting to reserve 6.50G at the bottom of memory.", 13 << 29),
        ("tf_oom", "W bfc_allocator.cc:275] Ran out of memory trying to allocate 39.50MiB.  See logs", 79 << 19),
        ("cupy_oom", "Out of memory allocating 25,600,000 bytes (allocated so far: 3,635,267,072 bytes).", 25_600_000),
        ("cuda_oom", "Error: Out of memory. Requested 8880 MB; Free 5902.061425 MB", 8_880_000_000),
        ("tf_oom", "ResourceExhaustedError: OOM when allocating tensor with shape[1,2]", None),
    ],
)
def test_sizes_are_bytes_however_they_are_written(name, text, tried):
    assert read(BY_ID[name], text).facts.get("tried") == tried


@pytest.mark.parametrize(
    ("text", "severity", "doubt"),
    [
        ("NVRM: Xid (PCI:0000:05:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.", "critical", 0),
        ("NVRM: Xid (PCI:0000:01:00): 31, pid=14292, name=python, Ch 00000030", "warning", 0),
        ("NVRM: Xid (PCI:0000:3d:00): 43, pid=35521, Ch 00000008", "warning", 2),
        ("NVRM: Xid (PCI:0000:3d:00): 45, pid=35521, Ch 00000008", "info", 2),
        ("NVRM: Xid (PCI:0018:01:00): 149, NETIR_LINK_EVT Nonfatal XC0 i0 Link 08", "info", 2),
        ("NVRM: Xid (PCI:0018:01:00): 149, NETIR_LINK_EVT Fatal XC0 i0 Link 08", "critical", 0),
    ],
)
def test_an_xid_is_as_bad_as_its_table_says(text, severity, doubt):
    reading = read(BY_ID["xid"], text)
    assert (str(reading.severity), reading.doubt) == (severity, doubt)


@pytest.mark.parametrize(
    ("reason", "severity"), [("TIME LIMIT", "warning"), ("PREEMPTION", "info"), ("NODE FAILURE", "critical")]
)
def test_a_scheduler_says_why_it_cancelled(reason, severity):
    text = f"slurmstepd: error: *** JOB 1999616 ON r6i4n5 CANCELLED AT 2021-05-27T21:42:11 DUE TO {reason} ***"
    reading = read(BY_ID["slurm_cancelled"], text)
    assert (reading.facts["reason"], str(reading.severity)) == (reason, severity)
    assert (reading.facts["job"], reading.facts["host"]) == (1999616, "r6i4n5")


def test_a_hang_names_operation_sequence_and_rank():
    text = (
        "[rank4]:[E321 ProcessGroupNCCL.cpp:607] [Rank 4] Watchdog caught collective operation timeout: WorkNCCL("
        "SeqNum=1580, OpType=ALLREDUCE, NumelIn=4, NumelOut=4, Timeout(ms)=600000) ran for 600067 milliseconds"
    )
    assert read(BY_ID["nccl_timeout"], text).facts == {
        "rank": 4, "seq": 1580, "op": "ALLREDUCE", "timeout_ms": 600_000, "ran_ms": 600_067
    }


@pytest.mark.parametrize(
    ("code", "kind", "severity", "grade"),
    [
        (1, FindingKind.CRASH, Severity.CRITICAL, None),
        (-6, FindingKind.CRASH, Severity.CRITICAL, None),
        (-9, FindingKind.HOST_OOM, Severity.CRITICAL, "suspected"),
        (-15, FindingKind.CANCELLED, Severity.INFO, None),
        (-2, FindingKind.CANCELLED, Severity.INFO, None),
    ],
)
def test_an_exit_code_says_what_ended_a_worker(code, kind, severity, grade):
    text = f"failed (exitcode: {code}) local_rank: 3 (pid: 33054) of binary: /usr/bin/python3"
    reading = read(BY_ID["torchrun_failed"], text)
    assert (reading.kind, reading.severity, reading.facts.get("grade")) == (kind, severity, grade)
    assert (reading.facts["exitcode"], reading.facts["local_rank"], reading.facts["pid"]) == (code, 3, 33054)


def test_a_kind_has_its_usual_severity_and_role():
    assert (BY_ID["hf_started"].role, BY_ID["hf_started"].severity) == (Role.MARKER, Severity.INFO)
    assert (BY_ID["torch_oom"].role, BY_ID["torch_oom"].severity) == (Role.ROOT, Severity.CRITICAL)
    assert BY_ID["keyboard_interrupt"].severity == Severity.INFO
    assert BY_ID["lightning_not_finite"].severity == Severity.WARNING


def test_a_user_comes_first_and_may_replace_what_is_built_in():
    own = from_table({"id": "torch_oom", "pattern": "never", "kind": "crash", "ignore": True})
    known = with_own([own])
    assert known[0] is own
    assert [signature.id for signature in known].count("torch_oom") == 1
    assert len(known) == len(builtin())


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("boom(", r"signature 'mine': the pattern does not compile: missing \), .* at position 4"),
        ("x*", "signature 'mine': the pattern matches an empty line"),
    ],
)
def test_a_bad_pattern_is_refused_with_its_id(pattern, message):
    with pytest.raises(ValueError, match=message):
        from_table({"id": "mine", "pattern": pattern, "kind": "crash"})


@pytest.mark.parametrize(
    ("pattern", "without"),
    [
        ("^Killed$", "Killed"),
        (r"(?i)^boom", "(?i)boom"),
        (r"a\^b\$", r"a\^b\$"),
        ("[$^]x", "[$^]x"),
        ("(^a|b$)", "(a|b)"),
        (r"[^\]x^]$", r"[^\]x^]"),
        (r"\Aa\Z", "a"),
    ],
)
def test_anchors_are_dropped_where_raw_bytes_are_searched(pattern, without):
    assert unanchored(pattern) == without


def test_a_long_line_is_cut_around_what_matters():
    text = "x" * 2_000 + "CUDA out of memory"
    assert excerpt(text, 2_018) == "x" * 42 + "CUDA out of memory"
    assert len(excerpt(text)) == 500
