"""Recipes that a specialist would accept, by name: `preset: cnn-sgd` in a recipe; further keys there win.

A preset is a starting point for a family of nets, for one GPU or less: rates stand for the batch size given with them,
scaled from the source's by the batch (SGD: Goyal et al. 2017; adaptive optimizers from random weights: by its square
root, You et al. 2020, Malladi et al. 2022). docs/recipes.md has them as a table.

A comparison is fair when all its models have one recipe, or the same `tuning:` budget; presets for CNNs and for ViTs in
one study are two recipes, and so two cells.
"""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # CNNs from random weights. He et al. 2016, section 4.2: batch 128, lr 0.1, momentum 0.9. Zagoruyko and Komodakis
    # 2016, section 3: Nesterov, weight decay 5e-4. He et al. 2019 ("Bag of tricks"), 3.1 and 5.1: 5 epochs of warm-up,
    # then a cosine, which needs fewer epochs than their 160 to 200 with steps.
    "cnn-sgd": {
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "batch_size": 128,
        "epochs": 100,
        "schedule": "cosine",
        "warmup_epochs": 5,
    },
    # CNNs in the manner of ConvNeXt, from random weights. Liu et al. 2022, table 5: lr 4e-3 at batch 4096 (here x
    # sqrt(128 / 4096)), weight decay 0.05, 20 of 300 epochs of warm-up, smoothing 0.1, drop path 0.1 (ConvNeXt-T).
    "cnn-adamw": {
        "optimizer": "adamw",
        "lr": 7e-4,
        "weight_decay": 0.05,
        "batch_size": 128,
        "epochs": 100,
        "schedule": "cosine",
        "warmup_epochs": 7,
        "label_smoothing": 0.1,
        "drop_path": 0.1,
    },
    # CNNs with larger batches. Wightman et al. 2021 ("ResNet strikes back"), table 2, procedure A3: lr 8e-3 at batch
    # 2048 (here x sqrt(256 / 2048)), weight decay 0.02, 100 epochs, 5 of warm-up, no smoothing; with mixup+cutmix.
    "cnn-lamb": {
        "optimizer": "lamb",
        "lr": 2.8e-3,
        "weight_decay": 0.02,
        "batch_size": 256,
        "epochs": 100,
        "schedule": "cosine",
        "warmup_epochs": 5,
    },
    # ViTs from random weights on small sets. Lee et al. 2021 ("Vision Transformer for small-size datasets"), section
    # 4.1 and their code: DeiT's recipe (Touvron et al. 2021, table 9) for CIFAR at batch 128. Gradients are clipped as
    # in Dosovitskiy et al. 2021, appendix B.1. Meant for strong augmentation with mixup and cutmix.
    "vit-adamw": {
        "optimizer": "adamw",
        "lr": 1e-3,
        "weight_decay": 0.05,
        "batch_size": 128,
        "epochs": 100,
        "schedule": "cosine",
        "warmup_epochs": 10,
        "label_smoothing": 0.1,
        "drop_path": 0.1,
        "clip_grad_norm": 1.0,
    },
    # ViTs, and CNNs like ConvNeXt, from pretrained weights. He et al. 2022 (MAE), table 9, after BEiT (Bao et al.
    # 2022): lr 1e-3 a batch of 256 (here 128), linear as theirs, layer decay 0.75, 5 epochs of warm-up, 50 to 100 in
    # all. Gradients are clipped as in Dosovitskiy et al. 2021, appendix B.1.1.
    "vit-finetune": {
        "weights": "pretrained",
        "optimizer": "adamw",
        "lr": 5e-4,
        "weight_decay": 0.05,
        "layer_decay": 0.75,
        "drop_path": 0.1,
        "batch_size": 128,
        "epochs": 50,
        "schedule": "cosine",
        "warmup_epochs": 5,
        "label_smoothing": 0.1,
        "clip_grad_norm": 1.0,
    },
    # How good a pretrained net's features are: the head alone learns. He et al. 2022 (MAE), table 10: lr 0.1 a batch
    # of 256 (here 128), no weight decay, 90 epochs, 10 of warm-up. Their LARS is for batches of 16384; here SGD, as in
    # Chen et al. 2020 (SimCLR, appendix B.6). The best rate depends on the size of the features: give it `tuning:`.
    "linear-probe": {
        "weights": "pretrained",
        "trained": "head",
        "optimizer": "sgd",
        "lr": 0.05,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "batch_size": 128,
        "epochs": 90,
        "schedule": "cosine",
        "warmup_epochs": 10,
    },
}
