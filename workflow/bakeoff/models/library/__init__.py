"""Nets of other libraries, one file a library, with a function `build(name, channels, size, classes, *, options)`."""
