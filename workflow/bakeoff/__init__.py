"""Bakeoff: a bake-off of image classifiers, from one study file to the paper's table."""
