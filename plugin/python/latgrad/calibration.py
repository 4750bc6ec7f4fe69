"""Latency models from the times of a few architectures, with error bars.

    model = latgrad.calibrate("fbnet_cifar", arch, times_us).model            # [20, L], [20]
    table_us = model.table_us()                                               # [L, C]
    mean_us, low_us, high_us = latgrad.model_interval(model, probs)           # nine of ten measured times are inside
    loss = cross_entropy + high_us / 1e4                                      # an upper bound, with its gradient
    latgrad.save_model(model, "pixel.json")                                   # with its errors
"""

import os
from typing import Any, NamedTuple, Sequence, Tuple, Union

import torch
from torch import Tensor

from latgrad.numbers import Number
from latgrad.operators import expected_latency
from latgrad.spaces import space_file

# Nine of ten normal errors lie within so many standard deviations; of Student's t with three degrees of freedom, which
# measured times have, within so many scales.
_NORMAL = 1.6448536269514722
_STUDENT = 2.3533634348018264


class Calibration(NamedTuple):
    """What :func:`calibrate` gives.

    model: a ``torch.classes.latgrad.LatencyModel`` of the space that knows its errors.
    left_out_us: float64 ``[N, 3]``: of each measured architecture what the others say, and between which times it should lie.
    """

    model: Any
    left_out_us: Tensor


def calibrate(
    space: Union[str, "os.PathLike[str]"],
    arch: Tensor,
    times_us: Tensor,
    sources: Sequence[Tuple[Tensor, Tensor]] = (),
    luts: Sequence[Union[str, "os.PathLike[str]"]] = (),
    precision: str = "int8",
    device: str = "calibrated",
    seed: int = 0,
) -> Calibration:
    """The latency of every candidate of a space, from the times of some of its architectures.

    space: a file, or the name of one that comes with latgrad. arch: uint8 or int64 ``[N, L]``. times_us: ``[N]``,
    microseconds. sources: architectures and times of other devices, which need not be the same ones. luts: tables of other
    devices. precision: of the networks. device: its name in the model. One seed gives one result.

    docs/calibration.md says how it works, how well, and how many architectures it takes; ``latgrad calibrate --plan 20``
    which.

    Raises ValueError for shapes that do not fit, an architecture that is not one of the space, and a time that is not
    positive and finite; RuntimeError for a file that cannot be read.
    """
    model, left_out_us = torch.ops.latgrad.calibrate(
        os.fspath(space_file(os.fspath(space))),
        precision,
        device,
        arch,
        times_us,
        [source[0] for source in sources],
        [source[1] for source in sources],
        [os.fspath(lut) for lut in luts],
        seed,
    )
    return Calibration(torch.classes.latgrad.LatencyModel.parse(model), left_out_us)


def model_interval(model: Any, probs: Tensor, measured: bool = True) -> Tuple[Tensor, Tensor, Tensor]:
    """The expected latency of a calibrated model, with the fixed part, and its 90 % interval, as :func:`latency_interval`.

    model: a ``LatencyModel``, of :func:`calibrate` or from its file. probs: ``[..., L, C]``. measured: whether the interval is
    that of a measurement, or of the latency itself.

    Raises ValueError for a model that was not calibrated.
    """
    like = {"dtype": probs.dtype, "device": probs.device}
    return latency_interval(
        probs,
        model.table_us().to(**like),
        model.covariance_us2().to(**like),
        model.fixed_us(),
        model.noise() if measured else 0.0,
    )


def latency_interval(
    probs: Tensor, table_us: Tensor, covariance_us2: Tensor, fixed_us: Number = 0.0, noise: Number = 0.0
) -> Tuple[Tensor, Tensor, Tensor]:
    """The expected latency and its 90 % interval, differentiable in all tensors, twice.

    A search that minimises the upper end avoids candidates of which little is known.

    probs: ``[..., L, C]``. table_us: ``[L, C]``. covariance_us2: ``[L * C + 1, L * C + 1]``, of the candidates, row by row,
    and last of the fixed part; symmetric. fixed_us: what all architectures take in addition. noise: the scale of the errors
    of measured times, as a share of them; 0: the interval of the latency itself.

    Returns the mean, the lower end, which is not negative, and the upper end, each ``[...]``.

    Raises RuntimeError for shapes that do not fit.
    """
    mean_us = expected_latency(probs, table_us) + fixed_us
    flat = probs.flatten(-2)
    flat = torch.cat([flat, torch.ones_like(flat[..., :1])], -1)
    variance_us2 = ((flat @ covariance_us2) * flat).sum(-1)
    half_us = (_NORMAL**2 * variance_us2 + (_STUDENT * noise * mean_us) ** 2).clamp_min(1e-12).sqrt()
    return mean_us, (mean_us - half_us).clamp_min(0), mean_us + half_us
