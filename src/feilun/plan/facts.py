"""What is known: devices, their prices, published runs, shapes of models, presets. Each row carries its source."""

from __future__ import annotations

import csv
import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from feilun.model.config import ModelConfig
from feilun.text import FeilunError

FACTS = Path(__file__).parent / "facts"

PURCHASE_YEARS, PURCHASE_USE = 4.0, 0.8
"""A bought device is paid off in so many years, in which it computes for this share of the time."""

HOST_SHARE = 0.5
"""What servers, network and rooms add to the price of the devices in them (assumed)."""

WALL, PUE = 1.2, 1.1
"""Of a device's rated power: what it draws with its share of the server (MLPerf Training 5.0, B200); and what the building adds
(power usage effectiveness)."""

UNKNOWN_TDP_W = 400.0

ELECTRICITY_USD_KWH = 0.1
"""For bought devices (assumed); a rent has it in it."""


ASSUMED = "assumed"
"""`Device.confidence` of a machine that nobody has measured."""

Positive = Annotated[float, Field(gt=0, lt=1e18, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]

PCIE_GBS = 64.0
"""Both directions of PCIe 4.0 x16."""


class Device(BaseModel):
    """An accelerator, or a processor. Peaks are of dense products that accumulate in float32."""

    model_config = ConfigDict(frozen=True)

    name: str
    vendor: str = ""
    year: int | None = None
    process_nm: float | None = None
    tflops: float
    """Peak of 16-bit products in TFLOP/s: bfloat16, or float16 where there is none. Of a processor: float32."""
    fp8_tflops: float | None = None
    attainable_tflops: float | None = None
    """Fastest matrix product that was measured."""
    bf16: bool = True
    memory_gb: float
    bandwidth_gbs: float
    link_gbs: float | None = None
    """Between devices of one server, GB/s, both directions together."""
    network_gbit_s: float | None = None
    """Of each device to other servers."""
    tdp_w: float | None = None
    measured_w: float | None = None
    rent_low_usd_h: float | None = None
    rent_high_usd_h: float | None = None
    rent_date: str = ""
    purchase_usd: float | None = None
    purchase_date: str = ""
    confidence: str = "high"
    source: str = ""
    note: str = ""

    @property
    def cpu(self) -> bool:
        """A processor, no accelerator."""
        return self.vendor in ("x86", "cpu")

    @property
    def linked(self) -> bool:
        """Whether devices of a server have more than PCIe between them; where it is not known, they are taken to."""
        return self.link_gbs is None or self.link_gbs > PCIE_GBS

    @property
    def servers_of(self) -> int:
        """Devices of a server that share fast links: 8, where there are such links."""
        return 1 if self.cpu else 8

    @property
    def wall_w(self) -> float:
        """At the meter of the building."""
        return (self.tdp_w or UNKNOWN_TDP_W) * (1.0 if self.cpu else WALL) * PUE

    @property
    def usd_per_hour(self) -> float | None:
        """The geometric mean of rents; without any, the purchase price spread over its hours of use, and electricity; None:
        unknown."""
        low, high = self.rent_low_usd_h, self.rent_high_usd_h
        if low is not None:
            return (low * (high or low)) ** 0.5
        if self.purchase_usd is not None:
            bought = self.purchase_usd * (1 + HOST_SHARE) / (PURCHASE_YEARS * 8766 * PURCHASE_USE)
            return bought + self.wall_w / 1000 * ELECTRICITY_USD_KWH
        return None


class Run(BaseModel):
    """A published training run. Empty cells are None."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    model: str = ""
    arch: str = "dense"
    params_total_b: Positive
    params_active_b: Positive
    tokens_b: Positive
    n_layers: Annotated[int, Field(gt=0, le=10**5)] | None = None
    d_model: Annotated[int, Field(gt=0, le=10**7)] | None = None
    seq_len: Annotated[int, Field(gt=0, le=10**9)] | None = None
    accelerator: str
    n_accel: Positive | None = None
    days: Positive | None = None
    accel_hours: Positive | None = None
    reported_tflops_per_accel: Positive | None = None
    reported_mfu: Share | None = None
    """Shares, no percentages."""
    reported_hfu: Share | None = None
    full_recompute: bool = False
    precision: str = "bf16"
    energy_mwh: float | None = None
    cost_usd: float | None = None
    scope: str = ""
    """steps (nothing but steps was counted), run, billed, quote, none."""
    source: str = ""
    note: str = ""

    @property
    def accelerator_hours(self) -> float | None:
        if self.accel_hours is not None:
            return self.accel_hours
        return None if self.days is None or self.n_accel is None else self.days * 24 * self.n_accel


class Preset(BaseModel):
    """A claim, and what has to be asked to judge it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    claim: str
    claim_zh: str
    group: str
    params: str
    tokens: str
    device: str
    count: int
    tflops: float | None = None


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file. Raises `FeilunError` if it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [{k: (v or "").strip() for k, v in row.items() if k} for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise FeilunError(
            f"Cannot read {path}: {why}.", f"无法读取 {path}：{why}。", code="runs_unreadable"
        ) from None


@cache
def devices() -> dict[str, Device]:
    """All devices whose 16-bit peak (or, of a processor, float32 peak) is known, by name."""
    prices = {row["device"]: row for row in rows(FACTS / "prices.csv")}
    found: dict[str, Device] = {}
    for row in rows(FACTS / "hardware.csv"):
        bf16, fp16 = row["peak_bf16_dense_tflops"], row["peak_fp16_dense_tflops"]
        tflops = bf16 or fp16 or (row["peak_fp32_tflops"] if row["vendor"] == "x86" else "")
        if not tflops:
            continue
        price = prices.get(row["name"], {})
        cells = {
            "name": row["name"],
            "vendor": row["vendor"],
            "year": row["year"],
            "process_nm": row["process_nm"],
            "tflops": tflops,
            "bf16": bool(bf16) or not fp16,
            "fp8_tflops": row["peak_fp8_dense_tflops"],
            "attainable_tflops": row["mamf_bf16_tflops"],
            "memory_gb": row["mem_gb"],
            "bandwidth_gbs": row["mem_bw_gbs"],
            "link_gbs": row["intranode_bw_gbs_bidir"],
            "network_gbit_s": row["internode_gbit_s"],
            "tdp_w": row["tdp_w"],
            "measured_w": row["measured_w"],
            "rent_low_usd_h": price.get("usd_per_hour_low", ""),
            "rent_high_usd_h": price.get("usd_per_hour_high", ""),
            "rent_date": price.get("rent_date", ""),
            "purchase_usd": price.get("purchase_usd", ""),
            "purchase_date": price.get("purchase_date", ""),
            "confidence": row["confidence"],
            "source": row["source"],
            "note": row["note"],
        }
        found[row["name"]] = Device.model_validate({k: v for k, v in cells.items() if v != ""})
    return found


def device(name: str, among: Mapping[str, Device] | None = None) -> Device:
    """The device that is meant by ``A100-80G``, ``h100`` or ``4090``. Raises `FeilunError` (``unknown_device``).

    Every part of the name must be found in the device's. Of several the first of the table is taken, with the most memory it
    is sold with. Of parts that are sold in bins of different peaks, as Ascend's 910B, the reader has to choose one.
    """
    known = among or devices()
    if name in known:
        return known[name]
    parts = _parts(name)
    found = [one for one in known.values() if parts and parts <= _parts(one.name)]
    if not found:
        bins = [one for one in known.values() if _is_bin(_parts(one.name), parts)]
        if bins:
            raise _unknown(name, [one.name for one in bins], "comes in several bins", "有多个分档")
    if not found:
        near = difflib.get_close_matches(name.lower(), [n.lower() for n in known], 3, 0.6)
        raise _unknown(
            name, [n for n in known if n.lower() in near] or list(known), "is not known", "不在表中"
        )
    return max((one for one in found if one.tflops == found[0].tflops), key=lambda one: one.memory_gb)


def _is_bin(parts: set[str], asked: set[str]) -> bool:
    """Whether a device is one of the bins, as 910B4, of what was asked for."""
    missing = asked - parts
    return len(missing) == 1 and any(re.fullmatch(rf"{re.escape(*missing)}[a-z]?\d?", part) for part in parts)


def _parts(name: str) -> set[str]:
    """``A100-SXM4-80G`` -> {a100, sxm, 80gb}."""
    cut = re.sub(r"\btpu\W*v", "tpu v", re.sub(r"(?<=[a-z])(?=\d{4}\b)", " ", name.lower()))
    words = re.findall(r"[a-z0-9]+", cut)
    words = [re.sub(r"^(\d+)g(i?b)?$", r"\1gb", word) for word in words]
    words = [re.sub(r"^sxm\d?$", "sxm", word) for word in words]
    fillers = {"nvidia", "amd", "huawei", "google", "geforce", "tesla", "instinct"}
    return {word for word in words if word not in fillers and not re.fullmatch(r"hbm\d?e?", word)}


def _unknown(name: str, near: list[str], en: str, zh: str) -> FeilunError:
    return FeilunError(
        f"The device '{name}' {en}. Choose one of: {', '.join(near)}.",
        f"设备“{name}”{zh}。可选：{'、'.join(near)}。",
        code="unknown_device",
        status=404,
        param="device",
    )


def parsed_runs(table: Iterable[Mapping[str, str]]) -> list[Run | tuple[str, str]]:
    """Each row as a `Run`, or its id and what is wrong with it."""
    found: list[Run | tuple[str, str]] = []
    for number, row in enumerate(table, 1):
        name = row.get("id") or f"row {number}"
        try:
            filled = {key: value for key, value in row.items() if value != ""}
            for one, other in (("params_active_b", "params_total_b"), ("params_total_b", "params_active_b")):
                if one not in filled and other in filled:
                    filled[one] = filled[other]
            run = Run.model_validate({"id": name, **filled})
            found.append(run)
        except ValueError as error:
            found.append((name, _short(error)))
    return found


def _short(error: ValueError) -> str:
    faults: Any = getattr(error, "errors", None)
    if faults is None:
        return str(error)
    first = faults()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


@cache
def runs() -> tuple[Run, ...]:
    """The built-in published runs."""
    return tuple(run for run in parsed_runs(rows(FACTS / "runs.csv")) if isinstance(run, Run))


@cache
def shapes() -> dict[str, ModelConfig]:
    """Shapes of open models by name."""
    return {name: ModelConfig.model_validate(table) for name, table in _toml("models.toml").items()}


@cache
def presets() -> dict[str, Preset]:
    return {name: Preset(name=name, **table) for name, table in _toml("presets.toml").items()}


def _toml(name: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((FACTS / name).read_text(encoding="utf-8"))
