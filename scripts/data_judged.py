"""Make ``recipes/data/judged.npz``: every score of the labelled set's good pages, from which a build tells how much good
text each rule would drop. To be run again when a score, a repair or the labelled set changes.

    python scripts/data_judged.py
"""

from pathlib import Path

import numpy as np

from feilun.data.judged import good_columns
from feilun.data.score import quality


def main() -> None:
    columns = good_columns(quality())
    small = {
        name: found.astype(np.float32) if found.dtype == np.float64 else found
        for name, found in columns.items()
    }
    np.savez_compressed(Path("recipes/data/judged.npz"), allow_pickle=False, **small)


if __name__ == "__main__":
    main()
