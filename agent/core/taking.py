"""Whether the processes of one run are taken for a job, and why, in words for people. Pure."""

from dataclasses import dataclass

from agent.core.clock import SECOND
from agent.core.trees import Tree

GPU_HELD = 60 * SECOND
"""How long a GPU must be held: a look at it, or a short test, is no training."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a run besides its processes."""

    declared: str | None = None
    """What in the configuration describes it, in words."""
    known: bool = False
    """Whether a running job is known under its leader, as `exec` makes it."""
    gpu_held: int | None = None
    """For how long a GPU has been seen to be held, milliseconds; None if none is."""
    progress_in: str | None = None
    """The log in which it shows training progress."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it is a job. `because` follows the run's name: "a.py: started by torchrun"."""

    taken: bool
    because: str


def judge(tree: Tree, evidence: Evidence) -> Verdict:
    """Decide whether a run is a job: described, started by `exec`, launched, on a GPU, or with progress in a log."""
    if evidence.declared is not None:
        return Verdict(True, evidence.declared)
    if tree.launched is not None:
        return Verdict(True, tree.launched)
    if evidence.gpu_held is not None and evidence.gpu_held >= GPU_HELD:
        return Verdict(True, f"has held a GPU for {GPU_HELD // SECOND} s")
    if evidence.progress_in is not None:
        return Verdict(True, f"{evidence.progress_in} shows its training progress")
    if evidence.known:
        return Verdict(True, "started by gpuwarden exec, or known as a job before")
    return Verdict(False, _missing(tree, evidence))


def _missing(tree: Tree, evidence: Evidence) -> str:
    launcher = tree.leader.program.launcher
    begun = f"{launcher} has not started any script" if launcher else "no launcher started it"
    gpu = "holds no GPU" if evidence.gpu_held is None else f"has not held a GPU for {GPU_HELD // SECOND} s yet"
    return f"{begun}, it {gpu}, and no log of it shows training progress"
