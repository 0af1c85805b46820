"""Where a process stands in a run, by its environment, of which nothing else is kept. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NUMBER = re.compile(r"\d{1,9}")
_GPU = re.compile(r"\d{1,3}|(?:GPU|MIG)-[\w/-]{1,80}")
GPUS_AT_MOST = 64
_HOST_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where its environment says that a process stands in a run; None where it does not say."""

    rank: int | None = None
    local_rank: int | None = None
    size: int | None = None
    """How many ranks the run has, on all nodes."""
    group: str | None = None
    """Equal for the ranks of one run."""
    slurm_job: str | None = None
    gpus: tuple[str, ...] = ()
    """The GPUs that it may use: numbers, or UUIDs."""


def place(environ: Mapping[str, str]) -> Place:
    """Read where a process stands in its run from its environment, of which nothing else is kept."""
    rank = _number(environ, "RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
    local = _number(environ, "LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID")
    size = _number(environ, "WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
    job, step = _number(environ, "SLURM_JOB_ID"), _number(environ, "SLURM_STEP_ID")
    # The steps of a batch script, of an allocation and of a shell have numbers near 2**32, and are no run.
    task = job is not None and step is not None
    if task and rank is None:
        rank, local = _number(environ, "SLURM_PROCID"), _number(environ, "SLURM_LOCALID")
        size = _number(environ, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
    return Place(
        rank, local, size, f"slurm:{job}:{step}" if task else _rendezvous(environ, rank, size),
        None if job is None else str(job), _gpus(environ),
    )  # fmt: skip


def _rendezvous(environ: Mapping[str, str], rank: int | None, size: int | None) -> str | None:
    port = _number(environ, "MASTER_PORT")
    if rank is None or port is None or (size or 0) < 2:  # noqa: PLR2004 - one rank is no group
        return None
    return f"ranks:{environ.get('MASTER_ADDR', '')[:_HOST_AT_MOST]}:{port}:{size}"


def _gpus(environ: Mapping[str, str]) -> tuple[str, ...]:
    names = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
    given = next((environ[name] for name in names if environ.get(name)), "")
    found = [part.strip() for part in given.split(",")]
    return tuple(part for part in found if _GPU.fullmatch(part))[:GPUS_AT_MOST]


def _number(environ: Mapping[str, str], *names: str) -> int | None:
    text = next((environ[name] for name in names if name in environ), "")
    return int(text) if _NUMBER.fullmatch(text) else None
