"""Train: one network on one data set with one augmentation, recipe and seed; and its predictions."""
