"""What would fit in place of a run that does not; and the words for it."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel

from feilun.plan.arithmetic import Model, Recompute
from feilun.plan.facts import Device
from feilun.plan.layout import batch_tokens_of, best_layout, least_devices
from feilun.plan.memory import SCHEMES
from feilun.plan.quantities import gigabytes
from feilun.text import FeilunError

SHARE, SHRINK, TRIES = 0.7, 0.9, 40
"""Of the memory that weights, gradients and optimiser may take; and how what fits is looked for from there."""


class Fits(BaseModel):
    """Changes of which each is enough; None where it does not help. GB are 1e9 bytes."""

    needs_gb: float
    has_gb: float
    count: int | None = None
    """Devices: more of them, or fewer if there are more than a step has rows for."""
    params: float | None = None
    """On these devices."""
    quantisation: str | None = None
    """Of a model that is served; with ``params``, if there are any."""


def training_fits(
    model: Model,
    device: Device,
    count: int,
    *,
    length: int,
    recompute: Recompute | None = None,
    batch_tokens: int | None = None,
) -> Fits:
    """In place of a run that has no layout. What is offered has one."""

    def laid_out(model: Model, count: int) -> bool:
        layout = best_layout(
            model, device, count, length=length, recompute=recompute, batch_tokens=batch_tokens
        )
        return layout is not None

    scheme = SCHEMES["megatron"]
    fits = Fits(needs_gb=model.params * scheme.bytes_per_param / 1e9, has_gb=count * device.memory_gb)
    least = least_devices(model, device, length=length, recompute=recompute, batch_tokens=batch_tokens)
    if least is not None and least <= count:  # it is not memory: there are not enough rows for so many
        fits.count = _fewer(count, least, lambda fewer: laid_out(model, fewer))
        return fits
    fits.count = least
    params = SHARE * fits.has_gb * 1e9 / scheme.bytes_per_param
    for _ in range(TRIES):
        params = float(f"{params:.3g}")
        if params < model.params and laid_out(
            Model.of_size(params, params * model.active / model.params), count
        ):
            fits.params = params
            break
        params *= SHRINK
    return fits


def _fewer(count: int, least: int, works: Callable[[int], bool]) -> int | None:
    """The most that works, in whole servers; in ever longer steps, so that a million are soon a thousand."""
    fewer = count // 8 * 8 if count >= 8 else count - 1
    for _ in range(TRIES):
        if fewer < least:
            return None
        if works(fewer):
            return fewer
        fewer -= max(8, fewer // 4 // 8 * 8) if fewer > 8 else 1
    return None


def does_not_fit(model: Model, device: Device, count: int, length: int, fits: Fits) -> FeilunError:
    """Of a run that has no layout (``does_not_fit``)."""
    if fits.params is None and fits.needs_gb < fits.has_gb:
        tokens = 4 * batch_tokens_of(model.active)
        rows = tokens // length
        fewer = f" {fits.count:,} can be fed." if fits.count else ""
        fewer_zh = f"{fits.count:,} 张可以喂饱。" if fits.count else ""
        return _refusal(
            f"A step of {tokens:,} tokens is {rows:,} rows, which cannot be divided among {count:,} devices, even with layers "
            f"and products divided as well.{fewer} Choose fewer devices (a multiple of 8), or --batch-tokens.",
            f"每步 {tokens:,} 个 token 即 {rows:,} 行，即使再切分层与矩阵，也无法分给 {count:,} 张设备。{fewer_zh}"
            "请减少设备（取 8 的倍数），或使用 --batch-tokens。",
        )
    more = (
        f"At least {fits.count:,} of them would hold it"
        if fits.count
        else "No number of them up to 65,536 holds it"
    )
    more_zh = f"至少需要 {fits.count:,} 张" if fits.count else "65,536 张以内都放不下"
    less = f"; on {count:,} about {fits.params / 1e9:.3g}B parameters fit" if fits.params else ""
    less_zh = f"；{count:,} 张约可容纳 {fits.params / 1e9:.3g}B 参数" if fits.params else ""
    return _refusal(
        f"{model.name} does not fit on {count:,} x {device.name}: weights, gradients and optimiser take {gigabytes(fits.needs_gb)} "
        f"and activations come on top, of {gigabytes(fits.has_gb)}. {more}{less}. An adapter needs less: feilun plan finetune.",
        f"{model.name} 放不进 {count:,} 张 {device.name}：权重、梯度与优化器共需 {gigabytes(fits.needs_gb)}，另有激活，而总显存为 "
        f"{gigabytes(fits.has_gb)}。{more_zh}{less_zh}。适配器所需更少：feilun plan finetune。",
    )


def _refusal(en: str, zh: str) -> FeilunError:
    return FeilunError(en, zh, code="does_not_fit", status=422)
