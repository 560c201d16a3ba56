"""Put a trained assistant into the package: its adapter, its ``artifact.json``, its hash in ``registry/builtin.py``.

feilun train recipes/train/assistant.toml
python scripts/ship_assistant.py ~/.local/share/feilun/models/assistant
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from feilun.workspace import Manifest, sha256_file

REGISTRY = Path(__file__).resolve().parent.parent / "src" / "feilun" / "registry"
ADAPTER = "adapter.gguf"


def main(folder: Path) -> None:
    target, builtin = REGISTRY / "assistant", REGISTRY / "builtin.py"
    target.mkdir(exist_ok=True)
    found = sha256_file(folder / ADAPTER)
    trained = Manifest.read(folder)
    if trained.files[ADAPTER] != found:
        sys.exit(f"{folder / ADAPTER} is not the file that its artifact.json describes")
    shutil.copyfile(folder / ADAPTER, target / ADAPTER)
    shipped = trained.model_copy(update={"files": {ADAPTER: found}, "license": "Gemma terms of use"})
    shipped.write(target)
    text, count = re.subn(r'adapter_sha256="sha256:\w+"', f'adapter_sha256="{found}"', builtin.read_text())
    assert count == 1
    builtin.write_text(text)
    print(f"{target}: {(target / ADAPTER).stat().st_size / 1e6:.1f} MB, {found}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
