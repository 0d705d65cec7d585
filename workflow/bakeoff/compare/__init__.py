"""Which differences are real: statistics over seeds and test images, from records on disk to one table.

Read in this order: `spec` (the settings), `load` (reads and refuses), `grid` (what is set against what), `paired` and
`crossed` (the tests), `contrast` (one row's own numbers), `families` and `ranking` (what a row owes to the others),
`table`, `cells`, `curves`, `confusion` and `caveats` (what is written), `step` (the whole).
"""
