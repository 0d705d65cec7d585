"""`python -m bakeoff`: the command line, also where the package is not installed."""

from bakeoff.cli import main

main()
