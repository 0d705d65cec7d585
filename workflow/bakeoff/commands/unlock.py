"""`bakeoff unlock`: after a kill -9 of Snakemake or a power cut, let it start again in this folder."""

from __future__ import annotations

from typing import Annotated

import typer

from bakeoff import lock


def unlock(
    force: Annotated[bool, typer.Option("--force", help="Also where it ran on another machine.")] = False,
) -> None:
    """Remove the lock that a killed Snakemake left in this folder; one that still runs keeps it."""
    if not lock.is_locked():
        print("This folder is not locked.")
        return
    print(f"Removed the lock of {lock.unlock(force) or 'a Snakemake that was killed'}. What was done is kept.")
