"""Put the default study's table and Pareto plot into the README: `uv run python docs/update_readme.py`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

DOCS = Path(__file__).parent
README = DOCS.parent / "README.md"
RESULTS = DOCS.parent / "results" / "default"


def main() -> None:
    """Replace what stands between the README's two marks by the first table of comparison.md."""
    sections = (RESULTS / "comparison.md").read_text(encoding="utf-8").split("\n## ")
    table = sections[1].partition("\n")[2].strip()
    text = README.read_text(encoding="utf-8")
    new, found = re.subn(
        r"(<!-- table -->\n).*?(\n<!-- end -->)", lambda mark: mark[1] + table + mark[2], text, flags=re.DOTALL
    )
    if found != 1:
        raise SystemExit("README.md: has not one pair of the marks <!-- table --> and <!-- end -->")
    README.write_text(new, encoding="utf-8")
    (DOCS / "pictures").mkdir(exist_ok=True)
    shutil.copy(RESULTS / "figures" / "pareto_macs.png", DOCS / "pictures")


if __name__ == "__main__":
    main()
