"""Bidirectional GRUs whose two directions run in one loop.

A GPU spends a recurrent layer's time on starting its many small steps, of which one loop for
both directions has half as many.
"""

import keras
from keras import layers, ops

UNROLLED = 8  # steps of the loop that are compiled as one


class OneLoop(layers.Bidirectional):
    """A `Bidirectional` GRU with the same weights and outputs, as `build_clustering` has it.

    It takes float32 [batch, time, features] and returns [batch, time, 2 x units]. Of what
    Keras's GRU can do it leaves out masks, states to begin with, dropout inside, other
    activations, and the reset before the product.
    """

    def call(self, sequences, initial_state=None, mask=None, training=None):
        directions = (self.forward_layer.cell, self.backward_layer.cell)
        kernels, recurrent, biases = (
            [getattr(cell, name).value for cell in directions]
            for name in ("kernel", "recurrent_kernel", "bias")
        )
        inputs = [ops.matmul(sequences, k) + b[0] for k, b in zip(kernels, biases)]
        inputs = ops.stack([inputs[0], ops.flip(inputs[1], axis=1)])
        recurrent, bias = ops.stack(recurrent), ops.stack([b[1:] for b in biases])

        def step(state, now):
            update, reset, new = ops.split(now, 3, axis=-1)
            gates = ops.split(ops.matmul(state, recurrent) + bias, 3, axis=-1)
            update = ops.sigmoid(update + gates[0])
            new = ops.tanh(new + ops.sigmoid(reset + gates[1]) * gates[2])
            state = update * state + (1.0 - update) * new
            return state, state

        start = ops.zeros_like(inputs[:, :, 0, : directions[0].units])
        _, states = ops.scan(step, start, ops.transpose(inputs, (2, 0, 1, 3)), unroll=UNROLLED)
        forward, backward = ops.transpose(states[:, 0], (1, 0, 2)), states[:, 1]
        backward = ops.flip(ops.transpose(backward, (1, 0, 2)), axis=1)
        return ops.concatenate([forward, backward], axis=-1)


def in_one_loop(model):
    """A network with the weights of another, whose bidirectional layers are `OneLoop`s, in
    the networks inside it too.

    Args:
        model: `keras.Model`, of GRUs that return sequences.

    Returns:
        `keras.Model`.
    """

    def cloned(layer):
        if isinstance(layer, keras.Model):
            return in_one_loop(layer)
        kind = OneLoop if type(layer) is layers.Bidirectional else type(layer)
        return kind.from_config(layer.get_config())

    twin = keras.models.clone_model(model, clone_function=cloned)
    twin.set_weights(model.get_weights())
    for mine, theirs in zip(twin.layers, model.layers, strict=True):
        mine.trainable = theirs.trainable
    return twin
