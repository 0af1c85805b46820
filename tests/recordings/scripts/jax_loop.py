"""JAX with flax and optax, and lines as MaxText prints them."""

import argparse
import time

import jax
import jax.numpy as jnp
import optax
from absl import logging
from flax import linen

parser = argparse.ArgumentParser()
parser.add_argument("--trouble", default="")
parser.add_argument("--at", type=int, default=17)
args = parser.parse_args()
logging.set_verbosity(logging.INFO)


class Model(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(1)(linen.relu(linen.Dense(32)(x)))


model = Model()
key = jax.random.key(0)
params = model.init(key, jnp.zeros((1, 16)))
optimizer = optax.adam(0.01)
state = optimizer.init(params)
logging.info("training on %d devices: %s", jax.device_count(), jax.devices()[0].platform)


@jax.jit
def update(params, state, x):
    def loss_of(params):
        return jnp.mean((model.apply(params, x) - jnp.tanh(x.sum(1, keepdims=True))) ** 2)

    loss, grads = jax.value_and_grad(loss_of)(params)
    updates, state = optimizer.update(grads, state)
    return optax.apply_updates(params, updates), state, loss


for step in range(40):
    began = time.perf_counter()
    x = jax.random.normal(jax.random.fold_in(key, step), (16, 17 if args.trouble == "exception" and step == args.at else 16))
    if args.trouble == "oom" and step == args.at:
        cache = jnp.zeros((1 << 18, 1 << 24))
    params, state, loss = update(params, state, x)
    if args.trouble == "nan" and step >= args.at:
        params = jax.tree.map(lambda leaf: leaf * jnp.nan, params)
    time.sleep(0.08)
    took = time.perf_counter() - began
    logging.info("completed step: %d, seconds: %.3f, TFLOP/s/device: %.3f, total_weights: %d, loss: %.3f", step, took, 0.001 / took, 16 * 16, loss)
