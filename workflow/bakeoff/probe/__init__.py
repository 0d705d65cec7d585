"""What a trained network tells beyond its predictions, by more forward passes: see step.py."""
