"""Networks as they are served: the same function, portable and faster."""

import keras
from keras import layers, ops

from vocaltrack.models import MASK_HEAD
from vocaltrack.silence import as_heard
from vocaltrack.unet import NORM


def as_served(model, features):
    """A network as it is exported.

    Args:
        model: a `keras.Model` of `models`; not changed.
        features: `FeatureConfig` that it was trained with.

    Returns:
        `keras.Model` with the outputs at inference that the model has for what
        `as_heard` makes of the input; it shares layers with the model.
    """
    faster = served_clustering if isinstance(model.output, dict) else served_unet
    log_mel = keras.Input(model.input.shape[1:])
    heard = layers.Lambda(as_heard, arguments={"features": features}, name="heard")(log_mel)
    return keras.Model(log_mel, faster(model)(heard), name=model.name)


def served_clustering(model):
    """A clustering network with `ServedBidirectional` layers, and masks that take one
    dense layer.

    Between the recurrent layers and the softmax lie two dense layers with nothing
    between them at inference, the projection to the embeddings and the mask head; one
    does what both do, with a twentieth of the multiplications.

    Args:
        model: a `dc` or `hdc`; not changed.

    Returns:
        `keras.Model` with the same outputs at inference.
    """

    def served(layer):
        if isinstance(layer, layers.Bidirectional):
            return ServedBidirectional(layer)
        # Anew, since a shared layer does not know which of its inputs is meant below.
        return layers.Dense.from_config(layer.get_config()) if layer is projection else layer

    projection = model.get_layer("projection")
    clone = keras.models.clone_model(model, clone_function=served)
    fresh = clone.get_layer("projection")
    fresh.set_weights(projection.get_weights())
    if "masks" not in clone.output:
        return clone
    head = model.get_layer(MASK_HEAD)
    (first, offset), (second, bias) = projection.get_weights(), head.get_weights()
    folded = layers.Dense(head.units, name=head.name)
    logits = folded(fresh.input)
    folded.set_weights([first @ second, offset @ second + bias])
    logits = layers.Reshape(clone.output["masks"].shape[1:], name="mask_logits")(logits)
    masks = layers.Softmax(name="masks", dtype="float32")(logits)
    return keras.Model(clone.input, {**clone.output, "masks": masks}, name=clone.name)


class ServedBidirectional(layers.Layer):
    """A bidirectional GRU that multiplies all frames of its input before its loops.

    Keras multiplies them in the loops, one by one, which takes a processor up to twice
    as long. No operation of cuDNN is in it either.

    Args:
        bidirectional: `keras.layers.Bidirectional` of two GRUs, whose weights are used.

    Call arguments:
        x: [batch, time, features].

    Returns:
        [batch, time, 2 units]: the states forwards and backwards.
    """

    def __init__(self, bidirectional):
        super().__init__(name=bidirectional.name)
        self.forwards = bidirectional.forward_layer.cell
        self.backwards = bidirectional.backward_layer.cell

    def call(self, x, mask=None):  # a Bidirectional is called with one
        x = ops.transpose(x, (1, 0, 2))
        states = [_states(x, self.forwards), ops.flip(_states(ops.flip(x, 0), self.backwards), 0)]
        return ops.transpose(ops.concatenate(states, axis=-1), (1, 0, 2))


def _states(x, cell):
    """The states of a GRU over its input; [time, batch, ...] both."""
    input_bias, state_bias = ops.split(cell.bias.value, 2)
    recurrent_kernel = cell.recurrent_kernel.value
    inputs = ops.matmul(x, cell.kernel.value) + input_bias

    def step(state, inputs):
        inner = ops.matmul(state, recurrent_kernel) + state_bias
        gates = ops.sigmoid(inputs[:, : 2 * cell.units] + inner[:, : 2 * cell.units])
        update, reset = ops.split(gates, 2, axis=-1)
        new = ops.tanh(inputs[:, 2 * cell.units :] + reset * inner[:, 2 * cell.units :])
        state = new + update * (state - new)
        return state, state

    return ops.scan(step, ops.zeros((ops.shape(x)[1], cell.units)), inputs)[1]


def served_unet(model):
    """A U-net whose convolutions hold their batch normalisations, over a served `hdc`
    if it has one.

    At inference a batch normalisation is a factor and an offset for each
    filter, which the convolution before it can apply itself; a U-net is a
    fifth faster without that pass over its largest arrays.

    Args:
        model: a `unet` or `uhnet`; not changed.

    Returns:
        `keras.Model` with the same outputs at inference.
    """
    norms = {
        layer.name.removesuffix(NORM): layer
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
    }

    def served(layer):
        if isinstance(layer, keras.Model):
            hdc = served_clustering(layer)  # of which the embeddings are not asked for
            outputs = dict.fromkeys(hdc.output, hdc.output["masks"])
            return keras.Model(hdc.input, outputs, name=hdc.name)
        if isinstance(layer, layers.BatchNormalization):
            return layers.Lambda(lambda x: x, name=layer.name)  # Identity takes no mask
        if layer.name in norms:
            return type(layer).from_config({**layer.get_config(), "use_bias": True})
        return layer

    folded = keras.models.clone_model(model, clone_function=served)
    for name, norm in norms.items():
        gamma, beta, mean, variance = (ops.convert_to_numpy(w) for w in norm.weights)
        factor = gamma / (variance + norm.epsilon) ** 0.5
        kernel = ops.convert_to_numpy(model.get_layer(name).kernel)
        is_transposed = isinstance(model.get_layer(name), layers.Conv2DTranspose)
        kernel = kernel * (factor[:, None] if is_transposed else factor)
        folded.get_layer(name).set_weights([kernel, beta - mean * factor])
    return folded
