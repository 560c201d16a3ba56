"""What an extra of the installation adds, and what to say where it is missing."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
from collections.abc import Generator

from feilun.text import FeilunError

_DATA = (
    "numpy", "pyarrow", "resiliparse", "fastwarc", "ftfy", "opencc", "pypinyin", "ahocorasick_rs", "xxhash", "pypdfium2",
    "fsspec", "zstandard",
)  # fmt: skip
_TRAIN = ("torch", "numpy", "safetensors", "tokenizers", "gguf", "jinja2", "zstandard")


def need_train() -> None:
    """Raises `FeilunError` with the line to type, if ``feilun[train]`` is not installed."""
    _need(_TRAIN, "train")


def need_data() -> None:
    """Raises `FeilunError` with the line to type, if ``feilun[data]`` is not installed."""
    _need(_DATA, "data")
    # NumPy's products are small here, and the cores are for the workers: threads that wait for each other would use
    # half of their time. It is read when NumPy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _need(modules: tuple[str, ...], extra: str) -> None:
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise FeilunError(
            f"This command needs {', '.join(missing)}. Install them: pip install 'feilun[{extra}]' (in the source tree: make up-train).",
            f"此命令需要 {'、'.join(missing)}。请安装：pip install 'feilun[{extra}]'（在源码目录：make up-train）。",
            code=f"{extra}_not_installed",
        )


def need_ray() -> None:
    """Raises `FeilunError` with the line to type, if ``feilun[ray]`` is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise FeilunError(
            "--ray needs Ray. Install it: pip install 'feilun[ray]'",
            "--ray 需要 Ray。请安装：pip install 'feilun[ray]'",
            code="ray_not_installed",
        )


@contextlib.contextmanager
def quick_imports() -> Generator[None]:
    """No search for garbage while much is imported: there is none, and it took a sixth of PyTorch's import."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
