"""A loop in the manner of the detection references: a metric logger that prints in-epoch counters, and `Test:` lines."""

import datetime
import time

import torch

torch.manual_seed(0)
torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
losses = []
print("Not using distributed mode")
print("Namespace(amp=False, batch_size=2, device='cpu', epochs=3, lr=0.02, resume='', start_epoch=0, sync_bn=False, test_only=False)")
print("Start training")
began = time.time()
for epoch in range(3):
    for index in range(25):
        x = torch.randn(16, 16)
        loss = (model(x) - x.sum(1, keepdim=True).tanh()).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        time.sleep(0.05)
        if index % 5 == 0 or index == 24:
            eta = datetime.timedelta(seconds=int((25 - index) * 0.05))
            average = sum(losses) / len(losses)
            print(f"Epoch: [{epoch}]  [{index:2d}/25]  eta: {eta}  lr: 0.050000  loss: {losses[-1]:.4f} ({average:.4f})  time: 0.0512  data: 0.0003  max mem: 3317")
    print(f"Epoch: [{epoch}] Total time: 0:00:01 (0.0512 s / it)")
    for index in range(0, 10, 5):
        print(f"Test:  [{index:2d}/10]  eta: 0:00:00  loss: {losses[-1] * 1.1:.4f} (0.9000)  acc1: 50.0000 (50.0000)  time: 0.0100  data: 0.0001  max mem: 3317")
    print("Test: Total time: 0:00:00 (0.0110 s / it)")
    print(f" * Acc@1 {40 + epoch:.3f} Acc@5 80.000")
print(f"Training time {datetime.timedelta(seconds=int(time.time() - began))}")
