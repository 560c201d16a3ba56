"""``python -m feilun`` is the same as ``feilun``."""

from feilun.cli import main

main()
