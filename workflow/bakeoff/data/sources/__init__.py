"""Data sets, one file each, with `INFO` (what a study must know before) and `load(data_root)` (the images)."""
