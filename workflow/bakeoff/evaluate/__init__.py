"""From the predictions of one run to its metrics. Imports no torch."""
