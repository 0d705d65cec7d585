"""Runs made from predictions of others: any system's rows in the table of a study. No torch, nothing trained."""
