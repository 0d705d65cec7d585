"""Runs made from other runs' predictions: test-time augmentation and ensembles, as rows of the table. No torch."""
