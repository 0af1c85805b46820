"""PaddlePaddle's own high-level fit."""

import sys
import time

import paddle

paddle.seed(0)


class Numbers(paddle.io.Dataset):
    def __len__(self):
        return 320

    def __getitem__(self, index):
        if sys.argv[1:] == ["exception"] and index == 200:
            raise ValueError("could not read record 200: truncated JPEG")
        time.sleep(0.003)
        return paddle.full([16], index / 320), paddle.full([1], index % 7 / 7)


net = paddle.nn.Sequential(paddle.nn.Linear(16, 32), paddle.nn.ReLU(), paddle.nn.Linear(32, 1))
model = paddle.Model(net)
model.prepare(paddle.optimizer.SGD(0.05, parameters=net.parameters()), paddle.nn.MSELoss())
model.fit(Numbers(), epochs=3, batch_size=16, verbose=2, log_freq=4, shuffle=False, num_workers=0)
