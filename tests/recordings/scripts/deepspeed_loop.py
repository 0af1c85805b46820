"""DeepSpeed's engine on the CPU, started by its launcher."""

import argparse
import os
import signal
import time

import deepspeed
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--trouble", default="")
parser.add_argument("--at", type=int, default=17)
parser = deepspeed.add_config_arguments(parser)
parser.add_argument("--local_rank", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
config = {
    "train_micro_batch_size_per_gpu": 16,
    "steps_per_print": 5,
    "wall_clock_breakdown": False,
    "optimizer": {"type": "SGD", "params": {"lr": 0.05}},
    "zero_optimization": {"stage": 1},
    "zero_allow_untested_optimizer": True,
}
engine, *_ = deepspeed.initialize(model=model, model_parameters=model.parameters(), config=config, dist_init_required=True)
for step in range(40):
    x = torch.randn(16, 16)
    if args.trouble == "exception" and step == args.at and engine.global_rank == 1:
        raise RuntimeError("Sizes of tensors must match except in dimension 1. Expected size 4096 but got size 4097")
    if args.trouble == "kill" and step == args.at and engine.global_rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    loss = (engine(x) - x.sum(1, keepdim=True).tanh()).pow(2).mean()
    engine.backward(loss)
    engine.step()
    time.sleep(0.08)
    if engine.global_rank == 0 and step % 5 == 4:
        print(f"steps: {step + 1} loss: {loss.item():.4f} iter time (s): 0.080 samples/sec: 200.000", flush=True)
