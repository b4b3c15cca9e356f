"""What the U-nets are made of, from the normalised input to the logits (paper, Fig. 4).

Arrays are [batch, time, bands, channels] throughout.
"""

from keras import layers

NORM = "_norm"  # a convolution's batch normalisation has its name and this


def double_unet(x, config):
    """Ronneberger's U-net at the original code's widths (its defects mended:
    four real poolings, and skips of equal size, which Keras asserts).

    Args:
        x: [batch, time, bands, channels], time and bands multiples of 16.
        config: `UnetConfig`.

    Returns:
        the mask's logits, [batch, time, bands, 1].
    """
    f = config.filters
    skips = []
    for level, filters in enumerate((f, 2 * f, 4 * f, 8 * f, 8 * f)):
        if level:
            x = layers.MaxPooling2D(2)(x)
        if level >= 3:
            x = layers.Dropout(config.dropout)(x)
        x = _double_convolution(x, filters, f"down{level}")
        skips.append(x)
    x = skips.pop()
    for level, filters in zip((3, 2, 1, 0), (4 * f, 2 * f, f, f)):
        x = layers.Conv2DTranspose(x.shape[-1], 2, strides=2, name=f"up{level}")(x)
        x = layers.Concatenate()([skips.pop(), x])
        x = _double_convolution(x, filters, f"up{level}")
    return layers.Conv2D(1, 1, name="logits")(x)


def strided_unet(x, config):
    """Jansson's U-net with four levels: one 5x5 convolution a level, pooling
    and upsampling by stride 2, dropout in the two deepest upsamplings.

    The upsamplings' 4x4 kernels cover every output alike. The two lowest levels
    have residual layers besides, which cost little where the arrays are small.
    Arguments and result as those of `double_unet`.
    """
    f = config.filters
    skips = [_convolution(x, f, 5, "down0", slope=0.2)]
    for level, filters in enumerate((2 * f, 4 * f, 8 * f, 8 * f), start=1):
        skips.append(_convolution(skips[-1], filters, 5, f"down{level}", strides=2, slope=0.2))
    x = lowest_residuals(skips.pop(), f)
    for level, filters in zip((3, 2, 1, 0), (8 * f, 4 * f, 2 * f, f)):
        x = layers.Conv2DTranspose(
            filters, 4, strides=2, padding="same", use_bias=False, name=f"up{level}"
        )(x)
        x = layers.ReLU()(layers.BatchNormalization(name=f"up{level}{NORM}")(x))
        if level == 3:
            x = low_residuals(x, f)
        if level >= 2:
            x = layers.Dropout(config.dropout)(x)
        x = layers.Concatenate()([skips.pop(), x])
    # A 5x5 convolution to one channel, in two: processors compute 16 channels at once.
    x = layers.Conv2D(5, (1, 5), padding="same", use_bias=False, name="logits_frequency")(x)
    return layers.Conv2D(1, (5, 1), padding="same", name="logits_time")(x)


def lowest_residuals(x, filters):
    """The residual layers of the strided U-net's lowest level.

    Args:
        x: [batch, time, bands, channels].
        filters: of the network's first level.

    Returns:
        what x is.
    """
    x = residual(x, 12 * filters, "low4_a")
    x = frequency_residual(x, 16 * filters, "low4_b")
    return residual(x, 12 * filters, "low4_c")


def low_residuals(x, filters):
    """Those of the level above, on the way up; see `lowest_residuals`."""
    return frequency_residual(residual(x, 4 * filters, "low3_a"), 8 * filters, "low3_b")


def residual(x, filters, name):
    """Two 3x3 convolutions, added to their input; they start out as nothing.

    Args:
        x: [batch, time, bands, channels].
        filters: between the two.
        name: of the layers, which append to it.

    Returns:
        what x is.
    """
    y = _convolution(x, filters, 3, f"{name}1")
    y = layers.Conv2D(x.shape[-1], 3, padding="same", use_bias=False, name=f"{name}2")(y)
    return layers.Add()([x, _silent_norm(y, f"{name}2{NORM}")])


def frequency_residual(x, units, name):
    """Two dense layers over all bands and channels of a frame (Choi et al. 2020),
    added to their input; they start out as nothing.

    Args:
        x: [batch, time, bands, channels].
        units: between the two.
        name: of the layers, which append to it.

    Returns:
        what x is.
    """
    y = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x)
    y = layers.Dense(units, use_bias=False, name=f"{name}1")(y)
    y = layers.ReLU()(layers.BatchNormalization(name=f"{name}1{NORM}")(y))
    y = layers.Dense(x.shape[2] * x.shape[3], use_bias=False, name=f"{name}2")(y)
    y = layers.Reshape(x.shape[1:])(_silent_norm(y, f"{name}2{NORM}"))
    return layers.Add()([x, y])


def _silent_norm(x, name):
    return layers.BatchNormalization(gamma_initializer="zeros", name=name)(x)


def _double_convolution(x, filters, name):
    return _convolution(_convolution(x, filters, 3, f"{name}_a"), filters, 3, f"{name}_b")


def _convolution(x, filters, size, name, strides=1, slope=0.0):
    x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(name=f"{name}{NORM}")(x)
    return layers.LeakyReLU(slope)(x)
