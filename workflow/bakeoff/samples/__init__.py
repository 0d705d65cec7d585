"""Samples: what training images look like under each policy of a study. Nothing that is trained depends on them."""
