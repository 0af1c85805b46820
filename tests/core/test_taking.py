import pytest

from agent.core.launchers import recognise
from agent.core.taking import Evidence, Verdict, judge
from agent.core.trees import Member, Tree

SCRIPT = Member(20, 1, 5, recognise(["python", "train.py"]))
LAUNCHER = Member(10, 1, 4, recognise(["torchrun", "train.py"]))
ALONE = Tree(SCRIPT, (SCRIPT,))
LAUNCHED = Tree(LAUNCHER, (LAUNCHER, SCRIPT))


@pytest.mark.parametrize(
    ("tree", "evidence", "because"),
    [
        (LAUNCHED, Evidence(), "started by torchrun"),
        (ALONE, Evidence(declared="described as nightly in [[jobs.job]]"), "described as nightly in [[jobs.job]]"),
        (ALONE, Evidence(known=True), "started by gpuwarden exec, or known as a job before"),
        (ALONE, Evidence(gpu_held=60_000), "has held a GPU for 60 s"),
        (ALONE, Evidence(progress_in="/data/run.log"), "/data/run.log shows its training progress"),
    ],
)
def test_what_makes_a_job(tree, evidence, because):
    assert judge(tree, evidence) == Verdict(True, because)


@pytest.mark.parametrize(
    ("tree", "evidence", "because"),
    [
        (ALONE, Evidence(), "no launcher started it, it holds no GPU, and no log of it shows training progress"),
        (ALONE, Evidence(gpu_held=59_999),
         "no launcher started it, it has not held a GPU for 60 s yet, and no log of it shows training progress"),
        (Tree(LAUNCHER, (LAUNCHER,)), Evidence(),
         "torchrun has not started any script, it holds no GPU, and no log of it shows training progress"),
    ],
)
def test_what_makes_none(tree, evidence, because):
    assert judge(tree, evidence) == Verdict(False, because)
