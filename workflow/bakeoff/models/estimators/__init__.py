"""scikit-learn on pixels, one file an estimator, with a function `build(classes, seed, *, options)`."""
