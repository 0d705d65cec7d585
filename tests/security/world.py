"""A world in which hostile input is tried: a working folder, and around it all that must stay as it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import Call

_FREE = ("results", "logs", ".snakemake")
"""Where a study may write."""


@dataclass
class World:
    """`work` is the working folder, `marker` a file that payloads would make if they ran."""

    root: Path
    call: Call
    patch: pytest.MonkeyPatch

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def marker(self) -> Path:
        return self.root / "MARKER"

    def bakeoff(self, *arguments: str) -> tuple[int, str]:
        """The command line in this process: its exit status, and what it said on standard error."""
        status, _, said = self.call(*arguments)
        return status, said

    def refused(self, *arguments: str, lines: int = 1) -> str:
        """What the command line said when it refused: so many lines, and no traceback."""
        status, text = self.bakeoff(*arguments)
        assert status != 0, f"accepted: {arguments}"
        assert "Traceback" not in text
        assert text.startswith("bakeoff: ")
        assert len(text.splitlines()) <= lines, text
        assert text.replace("\n", "").isprintable()
        return text

    def study(self, text: str | bytes, name: str = "study.yaml") -> str:
        """Write a study file; returns its name."""
        path = self.work / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file but those that a study may write: its size and time."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            parts = path.relative_to(self.root).parts
            if not (parts[0] == "work" and len(parts) > 1 and parts[1] in _FREE):
                stat = path.lstat()
                found["/".join(parts)] = (stat.st_size if path.is_file() else 0, stat.st_mtime_ns * path.is_file())
        return found
