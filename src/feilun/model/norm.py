"""Root-mean-square norm (Zhang and Sennrich 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FEW = 2**15


def rms_norm(x: Tensor, scale: Tensor, eps: float) -> Tensor:
    """``x`` (..., size) over the root of its mean square, times ``scale`` (size,), or (n, size) for ``x`` (..., n, size); both of
    one type.

    PyTorch has no kernel for it on a CPU, but seven operations. For a few values, where calling them is what costs, its kernel
    for layer norms serves if nothing learns: the values beside their negatives have a mean of 0, and their mean square as
    variance.
    """
    size = x.shape[-1]
    if x.device.type == "cpu" and x.numel() < FEW and not torch.is_grad_enabled():
        return F.layer_norm(torch.cat([x, -x], -1), (2 * size,), None, None, eps)[..., :size] * scale
    if scale.ndim == 1:
        return F.rms_norm(x, (size,), scale, eps)
    return F.rms_norm(x, (size,), None, eps) * scale
