"""Networks as they are served: the same function, portable and faster."""

import keras
from keras import layers, ops

NORM = "_norm"  # models.py names a convolution's batch normalisation after it


def without_cudnn(model):
    """Make the GRUs of a network, nested ones too, trace portable operations.

    Args:
        model: a `keras.Model` of `models`; changed in place.

    Returns:
        the model.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            without_cudnn(layer)
        elif isinstance(layer, layers.Bidirectional):
            layer.forward_layer.use_cudnn = False
            layer.backward_layer.use_cudnn = False
    return model


def fold_batch_norms(model):
    """A network whose convolutions hold their batch normalisations.

    At inference a batch normalisation is a factor and an offset for each
    filter, which the convolution before it can apply itself; a U-net is a
    fifth faster without that pass over its largest arrays.

    Args:
        model: a `keras.Model` of `models`; not changed.

    Returns:
        `keras.Model` with the same outputs at inference, which shares its
        other layers with the model; the model itself if it has no batch
        normalisation.
    """
    norms = {
        layer.name.removesuffix(NORM): layer
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
    }
    if not norms:
        return model

    def folded(layer):
        if isinstance(layer, layers.BatchNormalization):
            return layers.Lambda(lambda x: x, name=layer.name)  # Identity takes no mask
        if layer.name in norms:
            return type(layer).from_config({**layer.get_config(), "use_bias": True})
        return layer

    served = keras.models.clone_model(model, clone_function=folded)
    for name, norm in norms.items():
        gamma, beta, mean, variance = (ops.convert_to_numpy(w) for w in norm.weights)
        factor = gamma / (variance + norm.epsilon) ** 0.5
        kernel = ops.convert_to_numpy(model.get_layer(name).kernel)
        is_transposed = isinstance(model.get_layer(name), layers.Conv2DTranspose)
        kernel = kernel * (factor[:, None] if is_transposed else factor)
        served.get_layer(name).set_weights([kernel, beta - mean * factor])
    return served
