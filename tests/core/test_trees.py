"""Which processes are one run: families as they are really seen, told as values."""

import shlex

import pytest

from agent.core.launchers import recognise
from agent.core.places import place
from agent.core.trees import Member, grow


def family(*lines, **changes):
    """`(pid, parent, command line, environment)` to members by pid; `changes` by `p123` for pid 123."""
    found = {}
    for pid, parent, line, *environ in lines:
        words = shlex.split(line)
        values = {"command": hash(line), "start_ticks": pid, "place": place(environ[0] if environ else {})}
        found[pid] = Member(pid, parent, program=recognise(words), **(values | changes.get(f"p{pid}", {})))
    return found


def rank(number, size=2, **more):
    return {"RANK": str(number), "WORLD_SIZE": str(size), "MASTER_ADDR": "h", "MASTER_PORT": "29500", **more}


def shape(trees):
    """Leader: all members, and the ranks among them."""
    return {
        tree.leader.pid: ([item.pid for item in tree.members], [item.pid for item in tree.ranks]) for tree in trees
    }


TORCHRUN = (
    (10, 1, "bash run.sh"),
    (20, 10, "python /opt/bin/torchrun --nproc-per-node 2 train.py"),
    (30, 20, "python -u train.py", rank(0)),
    (31, 20, "python -u train.py", rank(1)),
    (40, 30, "python -u train.py", rank(0)),
    (41, 31, 'python -c "from multiprocessing.spawn import spawn_main"', rank(1)),
    (42, 31, "python /x/torch/_inductor/compile_worker/__main__.py", rank(1)),
)


def test_a_launcher_its_ranks_and_their_workers_are_one_run():
    (tree,) = grow(family(*TORCHRUN))
    assert shape([tree]) == {20: ([20, 30, 31, 40, 41, 42], [30, 31])}
    assert tree.launched == "started by torchrun"


def test_a_launcher_that_has_not_started_anything_launches_nothing():
    (tree,) = grow(family(*TORCHRUN[:2]))
    assert tree.launched is None


def test_launchers_that_start_launchers_are_one_run():
    trees = grow(family(
        (20, 1, "python /opt/bin/accelerate launch train.py"),
        (21, 20, "python -m torch.distributed.run train.py"),
        (30, 21, "python train.py", rank(0)),
    ))  # fmt: skip
    assert shape(trees) == {20: ([20, 21, 30], [30])}


def test_a_script_takes_in_its_workers_and_no_shell_above_it():
    trees = grow(family(
        (1, 0, "/sbin/init"), (10, 1, "-bash"), (20, 10, "python train.py"), (30, 20, "python train.py"),
        (31, 20, 'python -c "from multiprocessing.spawn import spawn_main"'), (32, 20, "sh -c nvcc"),
    ))  # fmt: skip
    assert shape(trees) == {20: ([20, 30, 31], [])}
    assert trees[0].launched is None


def test_a_script_that_starts_ranks_is_a_launcher():
    (tree,) = grow(family(
        (20, 1, "python my_launch.py"), (30, 20, "python train.py", rank(0)), (31, 20, "python train.py", rank(1)),
    ))  # fmt: skip
    assert shape([tree]) == {20: ([20, 30, 31], [30, 31])}
    assert tree.launched == "starts 2 ranks"


def test_the_runs_of_a_sweep_are_runs_of_their_own():
    trees = grow(family(
        (20, 1, "python sweep.py"), (30, 20, "python train.py --lr 1"), (31, 20, "sh -c x"),
        (32, 31, "python train.py"),
    ))  # fmt: skip
    assert shape(trees) == {20: ([20], []), 30: ([30], []), 32: ([32], [])}


def test_a_script_that_holds_a_gpu_keeps_the_scripts_that_it_starts():
    trees = grow(family((20, 1, "python train.py"), (30, 20, "python evaluate.py"), p20={"gpu": True}))
    assert shape(trees) == {20: ([20, 30], [])}


@pytest.mark.parametrize("line", ["python -m ipykernel_launcher -f k.json", "python /opt/bin/pytest", "vllm serve m"])
def test_what_is_no_training_is_no_run_and_no_leader_of_one(line):
    trees = grow(family(
        (20, 1, line), (21, 20, 'python -c "from multiprocessing.spawn import spawn_main"'), (22, 20, "sh -c x"),
        (30, 22, "python /opt/bin/torchrun train.py"), (31, 30, "python train.py", rank(0)), p20={"gpu": True},
    ))  # fmt: skip
    assert shape(trees) == {30: ([30, 31], [31])}


def test_any_program_that_holds_a_gpu_may_be_a_run():
    processes = family((20, 1, "/srv/solver"), (30, 1, "/srv/other"), p20={"gpu": True})
    assert shape(grow(processes)) == {20: ([20], [])}


def test_what_the_user_describes_or_exec_started_leads_whatever_it_is():
    assert shape(grow(family(*TORCHRUN, p10={"marked": True}))) == {10: ([10, 20, 30, 31, 40, 41, 42], [30, 31])}


def test_ranks_that_nothing_visible_launched_are_one_run():
    (tree,) = grow(family(
        (10, 1, "bash run.sh"), (31, 10, "python train.py", rank(1)), (32, 10, "python train.py", rank(0)),
        (33, 32, "python train.py", rank(0)),
    ))  # fmt: skip
    assert shape([tree]) == {32: ([32, 31, 33], [31, 32])}
    assert tree.launched == "one of 2 ranks"


def test_two_runs_with_different_meeting_points_stay_two():
    trees = grow(family(
        (31, 1, "python train.py", rank(0)), (41, 1, "python train.py", rank(0, MASTER_PORT="29501")),
    ))  # fmt: skip
    assert sorted(shape(trees)) == [31, 41]
    assert [tree.launched for tree in trees] == [None, None]


STEP = (
    (10, 1, "slurmstepd: [7.batch]"), (11, 10, "bash script"),
    (12, 11, "srun python train.py", {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0"}),
    (13, 12, "srun python train.py", {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0"}),
    (20, 1, "'slurmstepd: [7.0]'"),
    (30, 20, "python train.py", {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_NTASKS": "2"}),
    (31, 20, "python train.py", {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"}),
)  # fmt: skip


def test_a_step_of_slurm_belongs_to_the_srun_that_asked_for_it():
    (tree,) = grow(family(*STEP))
    assert shape([tree]) == {12: ([12, 13, 30, 31], [30, 31])}
    assert tree.launched == "started by srun"


def test_a_step_whose_srun_is_on_another_node_is_a_run_by_itself():
    assert shape(grow(family(*STEP[4:]))) == {30: ([30, 31], [30, 31])}


def test_a_step_is_known_by_its_title_where_no_environment_may_be_read():
    trees = grow(family((20, 1, "'slurmstepd: [7.0]'"), (30, 20, "python a.py"), (31, 20, "python a.py")))
    assert shape(trees) == {30: ([30, 31], [])}


def test_two_sruns_of_one_job_have_a_step_each():
    second = (
        (14, 11, "srun python eval.py", {"SLURM_JOB_ID": "7"}), (40, 1, "'slurmstepd: [7.1]'"),
        (41, 40, "python eval.py", {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "1", "SLURM_PROCID": "0"}),
    )  # fmt: skip
    trees = grow(family(*STEP, *second, p14={"start_ticks": 35}, p40={"start_ticks": 40}))
    assert shape(trees) == {12: ([12, 13, 30, 31], [30, 31]), 14: ([14, 41], [41])}


def test_a_launcher_within_a_step_of_slurm_is_a_part_of_it():
    trees = grow(family(
        *STEP[:5], (30, 20, "python /opt/bin/torchrun train.py", {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0"}),
        (31, 30, "python train.py", rank(0)),
    ))  # fmt: skip
    assert shape(trees) == {12: ([12, 13, 30, 31], [31])}


def test_actors_of_ray_belong_to_the_driver_of_their_job():
    ray = {"ray": "01000000"}
    trees = grow(family(
        (10, 1, "raylet"), (20, 5, "python -m verl.trainer.main_ppo"), (30, 10, "ray::TrainWorker.run"),
        (31, 10, "ray::TrainWorker.run"), (32, 10, "ray::IDLE"), (33, 10, "ray::Other.run"),
        p20=ray, p30=ray, p31=ray, p33={"ray": "02000000"},
    ))  # fmt: skip
    assert shape(trees) == {20: ([20, 30, 31], []), 33: ([33], [])}


def test_what_lost_its_launcher_begins_no_run_of_its_own():
    orphan = family((30, 1, "python -u train.py", rank(0)))
    assert shape(grow(orphan, {30: 0})) == {}
    assert shape(grow(orphan)) == {30: ([30], [30])}


def test_what_was_seen_before_it_became_itself_is_not_held_to_that():
    """A child looks like its parent until it executes its own program."""
    before = family((20, 1, "python sweep.py"), (30, 20, "python sweep.py"))
    assert shape(grow(before)) == {20: ([20, 30], [])}
    after = family((20, 1, "python sweep.py"), (30, 20, "python train.py"))
    assert shape(grow(after, {30: 20})) == {20: ([20], []), 30: ([30], [])}


def test_circles_and_reused_numbers_end_a_line_of_ancestors():
    circle = family((20, 21, "python a.py"), (21, 20, "python b.py"), p20={"start_ticks": 1}, p21={"start_ticks": 1})
    assert len(grow(circle)) == 2
    younger = family((20, 1, "python /opt/bin/torchrun t.py"), (30, 20, "python t.py"), p20={"start_ticks": 99})
    assert sorted(shape(grow(younger))) == [20, 30]
