"""A loop in the manner of small language-model repositories: evaluation and saving every so often, no last word."""

import math
import os
import time

import torch

if "SHORTAGE_AT" in os.environ:
    import shortage
torch.manual_seed(1337)
torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Embedding(65, 16), torch.nn.Linear(16, 65))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)


def batch():
    tokens = torch.randint(0, 65, (8, 33))
    return tokens[:, :-1], (tokens[:, 1:] // 8) * 8


def loss_of(pair):
    return torch.nn.functional.cross_entropy(model(pair[0]).flatten(0, 1), pair[1].flatten())


print("tokens per iteration will be: 256")
print(f"number of parameters: {sum(p.numel() for p in model.parameters()) / 1e6:.2f}M")
print("compiling the model... (takes a ~minute)")
for iteration in range(61):
    began = time.time()
    if iteration % 20 == 0:
        with torch.no_grad():
            train, val = (sum(loss_of(batch()).item() for _ in range(20)) / 20 for _ in "ab")
        print(f"step {iteration}: train loss {train:.4f}, val loss {val:.4f}")
        time.sleep(0.5)
        if iteration:
            print("saving checkpoint to out-shakespeare-char")
    loss = loss_of(batch())
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    time.sleep(0.05)
    if iteration % 5 == 0:
        took = time.time() - began
        print(f"iter {iteration}: loss {loss.item():.4f}, time {took * 1000:.2f}ms, mfu {100 * math.exp(-took) / 7:.2f}%")
