"""What programs are, by command lines as they are really seen."""

import shlex
from pathlib import Path

import pytest

from agent.core.launchers import model, recognise, script_name
from agent.core.places import Place, place
from agent.core.programs import Kind

SPAWNED = 'python -c "from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=7)" --multiprocessing-fork'


def known(line):
    found = recognise(shlex.split(line))
    return found.kind, found.name


@pytest.mark.parametrize(
    ("line", "name", "launcher"),
    [
        ("/opt/conda/bin/python /opt/conda/bin/torchrun --nproc-per-node 8 train.py --key k", "train.py", "torchrun"),
        ("python -m torch.distributed.run --nproc-per-node=8 -m pkg.train", "pkg.train", "torch.distributed.run"),
        ("python3.11 /usr/bin/torchrun --no-python ./trainer", "torchrun", "torchrun"),
        ("/venv/bin/python /venv/bin/accelerate launch --num_processes 4 sft.py", "sft.py", "accelerate"),
        ("python /opt/bin/deepspeed --num_gpus 8 train.py --deepspeed ds.json", "train.py", "deepspeed"),
        ("python -u -m deepspeed.launcher.launch --world_info=eyJ --master_port=29500 train.py", "train.py",
         "deepspeed.launcher.launch"),
        ("mpirun -np 8 -x PATH python train.py", "train.py", "mpirun"),
        ("/usr/bin/mpiexec.hydra -n 2 ./solver", "mpiexec.hydra", "mpiexec.hydra"),
        ("srun --ntasks 8 python -u /home/u/pretrain_gpt.py --lr 1", "pretrain_gpt.py", "srun"),
        ("python /opt/bin/horovodrun -np 4 python main.py", "main.py", "horovodrun"),
        ("python /opt/bin/llamafactory-cli train cfg.yaml", "llamafactory-cli", "llamafactory-cli"),
    ],
)
def test_launchers_are_named_after_the_script_that_they_start(line, name, launcher):
    found = recognise(shlex.split(line))
    assert (found.kind, found.name, found.launcher) == (Kind.LAUNCHER, name, launcher)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("python train.py --api-key secret", "train.py"),
        ("/usr/bin/python3.12 -u -W ignore -X dev /home/u/src/train.py", "train.py"),
        ("python -um pkg.train --lr 1", "pkg.train"),
        ("python -m pkg.train", "pkg.train"),
        ("pypy3 train.py", "train.py"),
        ("python /srv/run", "run"),
        ("python /srv/trainer/__main__.py x.py", "trainer"),
        ("python -m cProfile -o out.prof train.py", "train.py"),
        ("python /opt/bin/coverage run train.py", "train.py"),
        ("python /home/u/.vscode/extensions/debugpy/launcher 4711 -- train.py", "train.py"),
        ("julia train.jl", "julia"),
        ("ray::TrainWorker.train", "ray::TrainWorker.train"),
        ("python /opt/bin/accelerate-train x", "accelerate-train"),
        ("python /opt/bin/yolo train data=x", "yolo"),
    ],
)
def test_what_may_train(line, name):
    assert known(line) == (Kind.TRAINER, name)


@pytest.mark.parametrize(
    ("line", "kind", "why"),
    [
        ("bash run.sh", Kind.CARRIER, None),
        ("-zsh", Kind.CARRIER, None),
        ("sudo -u alice python train.py", Kind.CARRIER, None),
        ("python -m agent exec -- python train.py", Kind.CARRIER, None),
        ("/opt/gpuwarden/bin/python /usr/local/bin/gpuwarden exec --name n -- python t.py", Kind.CARRIER, None),
        ("/opt/gpuwarden/bin/python /usr/local/bin/gpuwarden run", Kind.ASIDE, "a monitor"),
        ("python -m agent.demo_training 0.07", Kind.ASIDE, "the tour of gpuwarden"),
        ("/venv/bin/python /venv/bin/uv run train.py", Kind.CARRIER, None),
        ("uv pip install torch", Kind.ASIDE, "a development tool"),
        ("python /opt/bin/wandb agent team/sweep", Kind.CARRIER, None),
        ("tmux: server", Kind.CARRIER, None),
        (SPAWNED, Kind.WORKER, None),
        ('python -c "from multiprocessing.resource_tracker import main;main(7)"', Kind.WORKER, None),
        ("python /venv/lib/site-packages/torch/_inductor/compile_worker/__main__.py --kind=fork", Kind.WORKER,
         None),
        ("python -m joblib.externals.loky.backend.popen_loky_posix --name w", Kind.WORKER, None),
        ("ray::IDLE", Kind.WORKER, None),
        ("python -m ipykernel_launcher -f kernel.json", Kind.ASIDE, "a notebook"),
        ("/opt/conda/bin/python /opt/conda/bin/jupyter-lab", Kind.ASIDE, "a notebook"),
        ("python /usr/local/lib/python3.10/dist-packages/colab_kernel_launcher.py -f x", Kind.ASIDE, "a notebook"),
        ("python -m vllm.entrypoints.openai.api_server --model m", Kind.ASIDE, "an inference server"),
        ("/venv/bin/python /venv/bin/vllm serve m", Kind.ASIDE, "an inference server"),
        ("VLLM::EngineCore", Kind.ASIDE, "an inference server"),
        ("python -m sglang.launch_server --model m", Kind.ASIDE, "an inference server"),
        ("python /venv/bin/trl vllm-serve --model m", Kind.ASIDE, "an inference server"),
        ("/venv/bin/python /venv/bin/pytest -q tests", Kind.ASIDE, "a test runner"),
        ("python -m unittest", Kind.ASIDE, "a test runner"),
        ("python -c 'import torch; print(torch.cuda.is_available())'", Kind.ASIDE, "a command given to Python as text"),
        ("python", Kind.ASIDE, "an interactive interpreter"),
        ("python -i", Kind.ASIDE, "an interactive interpreter"),
        ("python /opt/bin/tensorboard --logdir x", Kind.ASIDE, "a monitor"),
        ("/usr/bin/python3 /usr/bin/unattended-upgrades --x", Kind.ASIDE, "a service of the system"),
        ("/usr/bin/python3 /usr/share/foo/daemon.py", Kind.ASIDE, "a service of the system"),
        ("/srv/app/solver --gpu 0", Kind.OTHER, None),
    ],
)
def test_what_does_not_train(line, kind, why):
    found = recognise(shlex.split(line))
    assert (found.kind, found.why) == (kind, why)


def test_a_title_that_a_program_gave_itself_is_read_as_a_command_line():
    assert known("'python train.py --x 1'") == (Kind.TRAINER, "train.py")
    assert recognise(["ray::IDLE", "", "", ""]).kind is Kind.WORKER


def test_a_process_without_a_command_line_is_nothing():
    assert recognise([]).kind is Kind.OTHER
    assert recognise(["", ""]).kind is Kind.OTHER


@pytest.mark.parametrize(
    ("title", "group"),
    [("slurmstepd: [4711.0]", "slurm:4711:0"), ("slurmstepd: [4711.batch]", None), ("slurmstepd: [4711.extern]", None)],
)
def test_a_step_of_slurm_brackets_what_it_starts(title, group):
    found = recognise([title])
    assert (found.kind, found.group) == (Kind.CARRIER, group)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("python train.py --model_name_or_path meta-llama/Llama-3-8B", "Llama-3-8B"),
        ("python train.py --model-name=/data/models/qwen2.5/ --lr 1", "qwen2.5"),
        ("python -m verl.trainer.main_ppo actor_rollout_ref.model.path=Qwen/Qwen2-7B", "Qwen2-7B"),
        ("python t.py --model /hub/models--org--name-7b/snapshots/0123456789abcdef0123456789abcdef01234567", "name-7b"),
        ("python t.py --model", None),
        ("python t.py --model --lr", None),
        ("python t.py --model https://user:token@host/x?sig=1", None),
        ("python t.py --model hf_AbCdEfGhIjKlMnOpQrStUvWxYz0123", None),
        ("python t.py --model out/checkpoint-500", None),
        ("python t.py --api-key meta-llama/Llama-3-8B", None),
    ],
)
def test_the_model_is_the_last_part_of_what_well_known_arguments_name(line, name):
    assert model(line.split()) == name


def test_nothing_else_of_a_command_line_is_told():
    line = "python /home/alice/secret-project/train.py --wandb-key k1 --run_name n1 --data s3://bucket/x"
    found = recognise(line.split())
    assert found == recognise(["python", "train.py"])


def test_long_names_are_cut():
    assert len(recognise(["python", f"/srv/{'x' * 500}.py"]).name) == 100


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python train.py --key k", "train.py"),
        ("/usr/bin/python3.11 -u /home/u/src/train.py", "train.py"),
        ("python -m pkg.train --lr 1", "pkg.train"),
        ("python -m torch.distributed.run --nproc-per-node 8 train.py", "train.py"),
        ("torchrun --nproc-per-node 8 finetune.py cfg.yaml", "finetune.py"),
        ("env KEY=secret.py bash -x run.sh", "run.sh"),
        ("./run.sh", "run.sh"),
        ("python -c print(1).py", "python"),
        ("sh -c train.sh", "sh"),
        ("/opt/bin/trainer -m secret --config=conf.py", "trainer"),
    ],
)
def test_only_the_scripts_name_is_told(command, name):
    assert script_name(command.split()) == name
    assert not Path(name).is_absolute()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Place()),
        ({"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "MASTER_ADDR": "h", "MASTER_PORT": "29500",
          "CUDA_VISIBLE_DEVICES": "0, 1"},
         Place(3, 1, 8, "ranks:h:29500:8", None, ("0", "1"))),
        ({"RANK": "0", "WORLD_SIZE": "1", "MASTER_PORT": "1"}, Place(0, None, 1)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Place(1, 1, 2)),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NTASKS": "16"},
         Place(5, 1, 16, "slurm:7:0", "7")),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "4294967291", "SLURM_PROCID": "0"}, Place(slurm_job="7")),
        ({"SLURM_JOB_ID": "7", "SLURM_PROCID": "0"}, Place(slurm_job="7")),
        ({"RANK": "x", "WORLD_SIZE": "-1", "CUDA_VISIBLE_DEVICES": "GPU-8a2e,; rm -rf,MIG-1/2"},
         Place(gpus=("GPU-8a2e", "MIG-1/2"))),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, Place()),
    ],
)
def test_the_environment_says_where_a_process_stands(environ, expected):
    assert place(environ) == expected
