"""Augmentation policies, one file each, with a function `build(size, flip, channels, *, options)` that returns one."""
