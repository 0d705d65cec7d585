"""`bakeoff run`: snakemake on a study file that one need not trust."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

from bakeoff.commands.options import DEFAULT_STUDY, StudyFile
from bakeoff.provenance import PACKAGE


def run(context: typer.Context, study: StudyFile = DEFAULT_STUDY) -> None:
    """Run a study that one need not trust: it is read as plain data. Further arguments go to snakemake."""
    from bakeoff.study import load
    from bakeoff.studyfile import write

    loaded = load(study)
    plain = write(
        loaded.model_dump(mode="json", exclude_unset=True), Path(".snakemake") / "studies" / f"{loaded.study}.json"
    )
    command = [sys.executable, "-m", "snakemake", "--configfile", str(plain), *context.args]
    if not Path("Snakefile").is_file():
        command += ["--snakefile", str(PACKAGE.parent.parent / "Snakefile")]
    raise SystemExit(subprocess.run(command, check=False).returncode)
