"""Write envs/requirements.lock and envs/bakeoff.yaml from the pins in pyproject.toml: `uv run python envs/lock.py`.

The lock has every package with its hashes and no address, so it serves any mirror. Conda takes the direct pins.
"""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PYTHON = "3.12"


def main() -> None:
    """Write both files."""
    export = ["uv", "export", "--no-dev", "--no-emit-project", "--no-annotate", "--no-header", "--quiet"]
    packages = subprocess.run(export, cwd=HERE.parent, capture_output=True, text=True, check=True).stdout
    (HERE / "requirements.lock").write_text(
        "# Every package with its hashes; made by envs/lock.py. Install: pip install --require-hashes -r <this file>\n"
        + packages
    )
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    pins = "\n".join(f"      - {pin}" for pin in project["dependencies"])
    (HERE / "bakeoff.yaml").write_text(
        "# For `snakemake --sdm conda`; made by envs/lock.py from pyproject.toml.\n"
        f"channels:\n  - conda-forge\n  - nodefaults\ndependencies:\n  - python={PYTHON}\n  - pip\n  - pip:\n{pins}\n"
    )


if __name__ == "__main__":
    main()
