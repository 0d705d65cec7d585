"""Arguments that several commands have, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff import scale

Code = Annotated[str | None, typer.Option(help="Digest of the step's code; worked out when it is not given.")]
StudyFile = Annotated[Path, typer.Argument(help="Study file.")]
Scale = Annotated[scale.Scale | None, typer.Option(help="small: the study's small version, its block `small:`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON, for machines.")]
DEFAULT_STUDY = Path("config.yaml")
Results = Annotated[Path, typer.Option(help="Folder of all results.")]
