"""Two processes of which one dies; when both are started anew, the first is late, as on a busy machine."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import torch.distributed as dist

from feilun.train.distributed import joined


def main(folder: Path) -> None:
    attempt, rank = os.environ["TORCHELASTIC_RESTART_COUNT"], os.environ["RANK"]
    if (attempt, rank) == ("1", "0"):
        time.sleep(3)
    with joined() as world:
        dist.barrier()
        (folder / f"met-{attempt}-{rank}").write_text(str(world.size))
        if (attempt, rank) == ("0", "1"):
            os._exit(9)
        if attempt == "0":
            time.sleep(60)  # until it is ended


if __name__ == "__main__":
    main(Path(sys.argv[1]))
