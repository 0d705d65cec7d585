"""Which differences are real: statistics over seeds and test images, from records on disk to one table.

Read in this order: `spec` (the settings), `load`, `profiles` and `drift` (read, refuse, and mark), `grid` (what is
set against what), `paired`, `crossed` with `jackknife`, `images`, `sensitivity` and `effects` (the tests and the
sizes), `seeds` and `dropouts` (whether they may be run, and what failed), `contrast` (one row's own numbers),
`families` with `planning`, and `ranking` (what a row owes to the others), `sentences` with `phrases` (a row in
words), `table`, `cells`, `costs`, `curves`, `confusion`, `balance` and `caveats` (what is written), `diagnostics`
with `aggregate`, `classes`, `mistakes` and `pictures` (why the numbers are what they are), `step` (the whole).
"""
