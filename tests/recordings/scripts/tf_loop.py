"""TensorFlow without Keras' fit: a loop that asks for more than there is."""

import sys
import time

import tensorflow as tf

tf.random.set_seed(0)
weights = tf.Variable(tf.random.normal((16, 1)))
optimizer = tf.keras.optimizers.SGD(0.05)
for step in range(1, 31):
    x = tf.random.normal((16, 16))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((x @ weights - tf.tanh(tf.reduce_sum(x, 1, keepdims=True))) ** 2)
    optimizer.apply_gradients([(tape.gradient(loss, weights), weights)])
    time.sleep(0.08)
    print(f"Step {step}/30, loss = {loss.numpy():.5f}", flush=True)
    if sys.argv[1:] == ["oom"] and step == 17:
        attention = tf.zeros((1 << 20, 1 << 22))
