"""Prepare: the bytes of a data set become arrays, splits and a manifest, once."""
