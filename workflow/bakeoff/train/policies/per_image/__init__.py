"""The policies as one writes them for a data loader: image by image, with PIL and torchvision.

Slow; the batched forms of the same names are tested against these, and may be replaced by them in a study
(`per_image/strong`).
"""
