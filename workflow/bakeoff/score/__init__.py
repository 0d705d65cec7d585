"""Scoring what others made: predictions of any system, from files to what the statistics of a study work from."""
