"""Data-parallel training with gloo, to be started by torchrun."""

import argparse
import ctypes
import datetime
import os
import signal
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=40)
parser.add_argument("--at", type=int, default=17)
parser.add_argument("--trouble", default="")
parser.add_argument("--timeout", type=float, default=600)
parser.add_argument("--own-store", action="store_true")
parser.add_argument("--save", default="")
args = parser.parse_args()
rank = int(os.environ["RANK"])
if "SHORTAGE_AT" in os.environ:
    import shortage


def trouble(step):
    if rank != 1 or step != args.at:
        return
    match args.trouble:
        case "exception":
            raise ValueError(f"tokenized length 5131 exceeds block size 4096 (sample {step * 16 + 3})")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "stall":
            time.sleep(10_000)
        case "once" if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            raise ConnectionError("object store: 503 Slow Down")


timeout = datetime.timedelta(seconds=args.timeout)
if args.own_store:  # the launcher's still holds the addresses of the attempt before
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"
    place = f"tcp://localhost:{29_600 + int(os.environ['TORCHELASTIC_RESTART_COUNT'])}"
    dist.init_process_group("gloo", place, rank=rank, world_size=int(os.environ["WORLD_SIZE"]), timeout=timeout)
else:
    dist.init_process_group("gloo", timeout=timeout)
torch.manual_seed(0)
torch.set_num_threads(1)
model = DistributedDataParallel(torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
if rank == 0:
    print(f"world size {dist.get_world_size()}, {args.steps} steps", flush=True)
for step in range(1, args.steps + 1):
    x = torch.randn(16, 16)
    trouble(step)
    loss = (model(x) - x.sum(1, keepdim=True).tanh()).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    time.sleep(0.08)
    if rank == 0:
        print(f"iter {step}/{args.steps} | train loss {loss.item():.4f} | {16 / 0.08:.1f} samples/s", flush=True)
    if args.save and rank == 0 and step % 10 == 0:
        torch.save(model.state_dict(), args.save)
        print(f"saved {args.save}", flush=True)
dist.destroy_process_group()
