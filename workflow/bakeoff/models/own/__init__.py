"""Small nets of our own, one file each, with a function `build(channels, size, classes, *, options)`."""
