"""Training, measured against what else trains small models on this machine. One command, three benchmarks:

    python bench/train.py step --nanochat FOLDER     # a training step: ours, transformers, litgpt, nanochat
    python bench/train.py lora                       # an adapter that learns 30 answers: ours, peft with transformers' Trainer
    python bench/train.py resume                     # from the start of a resuming process to its first step

Each has options of its own (`step --help`), prints commit, command and machine, and says at the end which bars are met.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys

BENCHMARKS = ("step", "lora", "resume")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("benchmark", choices=BENCHMARKS)
    parser.add_argument("options", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(1)
    )  # so that what it started is ended, and cleared away
    # Imported by name: a worker of one benchmark must not wait for what another one imports.
    importlib.import_module(f"train_{chosen.benchmark}").main(chosen.options)


if __name__ == "__main__":
    main()
