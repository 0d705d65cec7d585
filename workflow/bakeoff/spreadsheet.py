"""Text for a CSV that people open in a spreadsheet, which would take some of it for formulas and run them."""

from __future__ import annotations

import re

# What has no letter calls no function and names no cell, such as "+0.68 (+0.58 to +0.78)" of our own tables.
_NUMBER = re.compile(r"[+-]\d(?: to |[^A-Za-z|!@=])*")


def as_text(text: str) -> str:
    """The same text, behind an apostrophe where it begins as a formula does (OWASP, "CSV Injection")."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NUMBER.fullmatch(text) else text
