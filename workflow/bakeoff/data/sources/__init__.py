"""Data sets, one file each: `INFO` (what a study must know before) or `info(data_root, ...)`, and a function `load`.

A user's own images also have `content(data_root, ...)`, the digest of their bytes.
"""
