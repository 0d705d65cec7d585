"""The classifiers. `own/` holds small nets, one file each; `library/` builds those of timm and torchvision."""
