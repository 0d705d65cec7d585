"""Which differences are real: statistics over seeds and test images, from records on disk to one table.

Read in this order: `spec` (the settings), `load`, `profiles` and `drift` (read, refuse, and mark), `grid` (what is set
against what), `paired` and `crossed` (the tests), `seeds` (whether they may be run), `contrast` (one row's own
numbers), `families` and `ranking` (what a row owes to the others), `table`, `cells`, `costs`, `curves`, `confusion`,
`balance` and `caveats` (what is written), `diagnostics` with `aggregate`, `classes`, `mistakes` and `pictures` (why the
numbers are what they are), `step` (the whole).
"""
