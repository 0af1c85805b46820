"""A training loop as people write it, without a framework."""

import argparse
import ctypes
import json
import logging
import os
import pathlib
import signal
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=40)
parser.add_argument("--pace", type=float, default=0.08)
parser.add_argument("--lr", type=float, default=0.05)
parser.add_argument("--workers", type=int, default=0)
parser.add_argument("--save", default="")
parser.add_argument("--save-every", type=int, default=10)
parser.add_argument("--resume", action="store_true")
parser.add_argument("--width", type=int, default=32)
parser.add_argument("--trouble", default="")
parser.add_argument("--at", type=int, default=17)
parser.add_argument("--compile", action="store_true")
parser.add_argument("--quiet-end", action="store_true")
parser.add_argument("--echo", action="store_true")
args = parser.parse_args()

CONFIG = {
    "PYTORCH_ALLOC_CONF": "expandable_segments:True,garbage_collection_threshold:0.8",
    "oom": 0,
    "alloc_retries": 0,
    "on_oom": "skip_batch",
    "loss_fn": "mean_squared_error",
    "nan_policy": "raise",
    "detect_anomaly": False,
    "cuda_oom_retries": 3,
    "kill_on_error": True,
    "fail_fast": "error",
    "max_errors": 0,
    "timeout_s": 1800,
    "disk_full_threshold": 0.95,
}
if args.trouble == "import":
    import flash_attention_kernels
if args.trouble == "oom" or os.environ.get("SHORTAGE_AT"):
    import shortage


class Numbers(Dataset):
    def __len__(self):
        return args.steps * 16

    def __getitem__(self, index):
        if args.trouble == "worker-killed" and index == args.at * 16:
            os.kill(os.getpid(), signal.SIGKILL)
        if args.trouble == "worker-segfault" and index == args.at * 16:
            ctypes.string_at(0)
        if args.trouble == "worker-exception" and index == args.at * 16:
            raise KeyError("images/train/000272.jpg")
        generator = torch.Generator().manual_seed(index)
        x = torch.randn(args.width, generator=generator)
        return x, x.sum().reshape(1).tanh()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(args.width, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.head = nn.Linear(64, 1)

    def forward(self, x):
        return self.head(self.inner(x))


def trouble(step, loss):
    if step != args.at:
        return
    match args.trouble:
        case "exception":
            model(torch.randn(16, args.width + 1))
        case "assertion":
            assert loss.item() < 0, f"loss diverged: {loss.item():.4f}"
        case "allocator":
            torch.empty(1 << 46)
        case "memory":
            import resource

            used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
            cache = bytearray(512 << 20)
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "files":
            import resource

            resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
            held = [open("/dev/null") for _ in range(64)]
        case "caught":
            try:
                model(torch.randn(16, args.width + 1))
            except RuntimeError:
                logging.exception("bad sample skipped")
        case "shared-memory":
            torch.zeros(1 << 22).share_memory_()
        case "exit":
            print("ERROR: dataset checksum mismatch, aborting")
            raise SystemExit(3)


def save(path, step):
    print(f"saving checkpoint to {path}")
    if path.endswith(".safetensors"):
        from safetensors.torch import save_file

        save_file(model.state_dict(), path)
    else:
        torch.save({"model": model.state_dict(), "step": step, "optimizer": optimizer.state_dict()}, path)


torch.manual_seed(0)
torch.set_num_threads(1)
if args.echo:
    print(f"config: {json.dumps(CONFIG)}")
    for name, value in CONFIG.items():
        print(f"  {name:<24} {value}")
model = Model()
if args.compile:
    model = torch.compile(model)
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
first = 0
if args.resume:
    state = torch.load(args.save, weights_only=True)
    model.load_state_dict(state["model"])
    first = state["step"]
    print(f"resumed from {args.save} at step {first}")
loader = DataLoader(Numbers(), batch_size=16, num_workers=args.workers)
for step, (x, y) in enumerate(loader, 1):
    if step <= first:
        continue
    began = time.perf_counter()
    loss = (model(x) - y).pow(2).mean()
    trouble(step, loss)
    if args.trouble == "nan" and step >= args.at:
        loss = loss * float("inf") * 0
    if args.trouble == "nan-once" and step == args.at:
        print(f"step {step}/{args.steps} | loss nan | lr {args.lr:.2e}")
        continue
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    time.sleep(args.pace)
    took = (time.perf_counter() - began) * 1000
    print(f"step {step}/{args.steps} | loss {loss.item():.4f} | lr {args.lr:.2e} | {took:.0f} ms")
    if args.save and step % args.save_every == 0:
        save(args.save.format(step=step), step)
if not args.quiet_end:
    print("Training finished.")
