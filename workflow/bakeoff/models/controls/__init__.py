"""Control methods of our own, one file each, with a function `build(classes, seed, *, options)`."""
