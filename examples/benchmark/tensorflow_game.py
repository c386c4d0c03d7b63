"""The game of race.py in TensorFlow: one `tf.function` for the whole step."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import IMAGES, Case, images

import nngan as nn


class TensorflowGame:
    """A step as TensorFlow's users write it: Keras layers and Adam, two tapes, `tf.function`.

    It draws new noise for G, as Algorithm 1 and nngan do. Keras adds `epsilon` before the second
    moment is corrected, and nngan after it, as Kingma and Ba do: where gradients are as small as
    it, the first steps differ.
    """

    epsilon = 1e-8

    def __init__(self, case: Case) -> None:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(case.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.case = case
        layers_g, layers_d, self.z_dim = case.layers()
        self.G, self.D = keras(layers_g, seed=1), keras(layers_d, seed=2)
        config = case.adam
        options = {
            "learning_rate": config["lr"],
            "beta_1": config["beta1"],
            "epsilon": self.epsilon,
        }
        self.g_optimizer, self.d_optimizer = (tf.keras.optimizers.Adam(**options) for _ in "GD")
        for optimizer, network in ((self.g_optimizer, self.G), (self.d_optimizer, self.D)):
            optimizer.build(network.trainable_variables)
        self.data = tf.constant(images().astype(np.float32) / 255)
        self.order, self.at = self.permutation(), 0
        self.step = tf.function(self.uncompiled_step)

    def uncompiled_step(self, rows: Any) -> Any:
        """Update D and then G on a minibatch; return both losses."""
        import tensorflow as tf

        def cross_entropy(label: float, logits: Any) -> Any:
            labels = tf.fill(tf.shape(logits), label)
            cost = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
            return tf.reduce_mean(cost)

        x = tf.gather(self.data, rows)
        fake = self.G(self.noise())
        with tf.GradientTape() as tape:
            d_loss = cross_entropy(1.0, self.D(x)) + cross_entropy(0.0, self.D(fake))
        variables = self.D.trainable_variables
        self.d_optimizer.apply_gradients(
            zip(tape.gradient(d_loss, variables), variables, strict=True)
        )
        with tf.GradientTape() as tape:
            g_loss = cross_entropy(1.0, self.D(self.G(self.noise())))
        variables = self.G.trainable_variables
        self.g_optimizer.apply_gradients(
            zip(tape.gradient(g_loss, variables), variables, strict=True)
        )
        return d_loss, g_loss

    def noise(self) -> Any:
        """Return a minibatch of noise."""
        import tensorflow as tf

        return tf.random.normal((self.case.batch, self.z_dim))

    def permutation(self) -> Any:
        """Return a new order of the images."""
        return np.random.default_rng().permutation(IMAGES)

    def __call__(self) -> Any:
        """Play a step; return both losses, which waits for it."""
        import tensorflow as tf

        if self.at + self.case.batch > IMAGES:
            self.order, self.at = self.permutation(), 0
        rows = self.order[self.at : self.at + self.case.batch]
        self.at += self.case.batch
        return [loss.numpy() for loss in self.step(tf.constant(rows))]


def keras(layers: list[Any], seed: int) -> Any:
    """Return the network in Keras, with the initial weights of nngan's."""
    import tensorflow as tf

    kinds = {
        "Linear": lambda layer: tf.keras.layers.Dense(layer.n_out),
        "ReLU": lambda layer: tf.keras.layers.ReLU(),
        "LeakyReLU": lambda layer: tf.keras.layers.LeakyReLU(negative_slope=layer.slope),
        "Tanh": lambda layer: tf.keras.layers.Activation("tanh"),
    }
    network = nn.Sequential(*layers, seed=seed)
    made = [kinds[type(layer).__name__](layer) for layer in network.layers]
    model = tf.keras.Sequential([tf.keras.layers.Input((layers[0].n_in,)), *made])
    for ours, theirs in zip(network.layers, made, strict=True):
        if isinstance(ours, nn.Linear):
            theirs.set_weights([ours.W, ours.b])
    return model
