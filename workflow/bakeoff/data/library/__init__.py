"""Data sets that a library reads: one file a library."""
