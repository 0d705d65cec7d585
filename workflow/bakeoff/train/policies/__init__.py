"""Augmentation policies, one file each, with a function `build(size, flip, *, options)` that returns a policy."""
