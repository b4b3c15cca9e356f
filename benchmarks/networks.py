"""The strided U-net with its parts exchangeable, for levers.py."""

from keras import layers, ops


def unet(x, filters=(16, 32, 64, 128, 128), norm=True, dropout=0.1, low=None, before=None):
    """The strided U-net with its parts exchangeable.

    Args:
        x: [batch, time, mel, channels].
        filters: of each level.
        norm: batch norms.
        dropout: in the two deepest upsamplings.
        low: applied after each level's convolution, takes (x, level).
        before: applied to the input.
    """

    def act(x, slope):
        x = layers.BatchNormalization()(x) if norm else x
        return layers.LeakyReLU(slope)(x)

    def extra(x, level):
        return low(x, level) if low else x

    x = before(x) if before else x
    x = act(layers.Conv2D(filters[0], 5, padding="same", use_bias=not norm)(x), 0.2)
    skips = [x]
    for level, width in enumerate(filters[1:], start=1):
        x = act(layers.Conv2D(width, 5, 2, padding="same", use_bias=not norm)(x), 0.2)
        x = extra(x, level)
        skips.append(x)
    x = skips.pop()
    for level, width in reversed(list(enumerate(filters[:-1]))):
        x = layers.Conv2DTranspose(width, 5, strides=2, padding="same", use_bias=not norm)(x)
        x = act(x, 0.0)
        x = layers.Dropout(dropout)(x) if level >= 2 else x
        x = extra(x, level)
        x = layers.Concatenate()([skips.pop(), x])
    return layers.Conv2D(1, 5, padding="same")(x)


def residual(x, level):
    """Another 3x3 convolution at the low resolutions, as a residual."""
    if level < 2:
        return x
    y = layers.Conv2D(x.shape[-1], 3, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization(gamma_initializer="zeros")(y)
    return layers.LeakyReLU(0.2)(layers.Add()([x, y]))


def frequency_dense(x, level):
    """A dense block along frequency (TDF of TFC-TDF), as a residual."""
    if level < 1:
        return x
    bands = x.shape[2]
    y = layers.Permute((1, 3, 2))(x)
    y = layers.Dense(max(8, bands // 4), activation="relu")(y)
    y = layers.Dense(bands)(y)
    y = layers.BatchNormalization(gamma_initializer="zeros", axis=-1)(y)
    return layers.Add()([x, layers.Permute((1, 3, 2))(y)])


def with_frequency(x):
    """A channel that tells the band's height, -1 to 1."""
    ramp = ops.reshape(ops.linspace(-1.0, 1.0, x.shape[2]), (1, 1, -1, 1))
    height = layers.Lambda(
        lambda x: ops.broadcast_to(ops.cast(ramp, x.dtype), ops.shape(x[..., :1]))
    )(x)
    return layers.Concatenate()([x, height])
