"""The contestants of the race, each a program that trains until it is stopped and counts its images."""
