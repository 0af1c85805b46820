"""Ray Train: two workers with gloo."""

import os
import signal
import sys
import time

import ray
import torch
from ray import train
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, prepare_model

trouble = sys.argv[1] if len(sys.argv) > 1 else ""


def loop():
    rank = train.get_context().get_world_rank()
    model = prepare_model(torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(1, 31):
        x = torch.randn(16, 16)
        if trouble == "exception" and rank == 1 and step == 17:
            raise ValueError("label 1000 is out of bounds for 1000 classes")
        if trouble == "kill" and rank == 1 and step == 17:
            os.kill(os.getpid(), signal.SIGKILL)
        loss = (model(x) - x.sum(1, keepdim=True).tanh()).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        time.sleep(0.1)
        if rank == 0:
            print(f"step {step}/30 loss {loss.item():.4f}")


ray.init(num_cpus=3, include_dashboard=False, object_store_memory=80 << 20)
trainer = TorchTrainer(loop, scaling_config=ScalingConfig(num_workers=2), run_config=RunConfig(storage_path="/srv/train/ray"))
result = trainer.fit()
print("finished:", result.error)
