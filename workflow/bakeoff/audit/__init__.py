"""Audit: what is wrong with prepared images, told beside them. Nothing that is trained depends on it."""
