"""How fast training is, against its limit and against other trainers. Plain commands, run from the repository's root:

    python -m benchmarks.training    the training loop as a fraction of the bare step
    python -m benchmarks.race        whole trainers against each other
    python -m benchmarks.startup     what a run costs besides its steps

docs/performance.md says how to read them.
"""
