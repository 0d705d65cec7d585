"""Durations, sizes and counts as people say them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """As in "40 s", "7 min", "2 h 10 min", "3 d 4 h": two units at most, rounded up to what matters."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def size(n: float) -> str:
    """Bytes as in "850 kB", "1.2 GB"."""
    for step, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n >= step:
            return f"{n / step:.3g} {unit}"
    return f"{n:.0f} B"


def counted(n: int, noun: str) -> str:
    """As in "1 run" and "2 runs"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
