"""The small data set of the tests, and a digest that stands for the code that made it."""

from __future__ import annotations

CODE = "0" * 16
DIGITS = {
    "name": "digits",
    "source": "digits",
    "settings": {"image_size": 12, "val_fraction": 0.15, "test_fraction": 0.25, "split_seed": 0},
}
