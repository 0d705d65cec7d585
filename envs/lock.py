"""Write envs/requirements.lock and envs/bakeoff.yaml from the pins in pyproject.toml: `uv run python envs/lock.py`.

The lock has every package with its hashes and no address, so it serves any mirror. Conda takes the direct pins.
What all pins, extras and groups pull in goes back into pyproject.toml as constraints: `exclude-newer` alone depends
on what an index shows by its own clock, and mirrors lag by days. `--upgrade` lets go of the old constraints first.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"
PYTHON = "3.12"
CONSTRAINTS = re.compile(r"^(constraint-dependencies = \[\n)[^\]]*^\]$", re.MULTILINE)


def without_platform(line: str) -> str:
    """A line of the lock as a constraint: what is no use on a platform is not asked for there, marker or not."""
    pin, _, marker = line.partition(" ; ")
    python = re.search(r"python_full_version [<>=]+ '[\d.]+'", marker)
    return f"{pin} ; {python[0]}" if python else pin


def constrain(requirements: list[str]) -> None:
    """Write the constraints of pyproject.toml anew."""
    lines = "".join(f'    "{requirement}",\n' for requirement in requirements)
    text = CONSTRAINTS.sub(lambda found: f"{found[1]}{lines}]", PROJECT.read_text(encoding="utf-8"))
    PROJECT.write_text(text, encoding="utf-8")


def export(*options: str) -> str:
    """What uv would install, a line a package."""
    command = ["uv", "export", "--no-emit-project", "--no-annotate", "--no-header", "--quiet", *options]
    return subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True).stdout


def main() -> None:
    """Write both files, and the constraints."""
    parser = argparse.ArgumentParser(description="Write the lock, the conda environment and the constraints anew.")
    parser.add_argument("--upgrade", action="store_true", help="newest of what the pins pull in, up to exclude-newer")
    if parser.parse_args().upgrade:
        constrain([])
        subprocess.run(["uv", "lock", "--upgrade", "--quiet"], cwd=HERE.parent, check=True)
    packages = export("--no-dev")
    (HERE / "requirements.lock").write_text(
        "# Every package with its hashes; made by envs/lock.py. Install: pip install --require-hashes -r <this file>\n"
        + packages
    )
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    everything = export("--all-extras", "--all-groups", "--no-hashes")
    constrain([without_platform(line) for line in everything.splitlines()])
    pins = "\n".join(f"      - {pin}" for pin in project["dependencies"])
    (HERE / "bakeoff.yaml").write_text(
        "# For `snakemake --sdm conda`; made by envs/lock.py from pyproject.toml.\n"
        f"channels:\n  - conda-forge\n  - nodefaults\ndependencies:\n  - python={PYTHON}\n  - pip\n  - pip:\n{pins}\n"
    )


if __name__ == "__main__":
    main()
