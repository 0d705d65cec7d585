"""A loop in the manner of timm's train.py.

Its create_loader with train.py's settings and two workers, its optimizer, its loss meter, which asks for the loss at
every step.
"""

from __future__ import annotations

import timm.data
import timm.optim
import timm.utils
import torch
from torch import nn
from torchvision import transforms

from benchmarks import ours
from benchmarks.peers.entry import Entry
from benchmarks.peers.pictures import PADDING, Pictures


def make_loader(entry: Entry) -> timm.data.loader.PrefetchLoader:
    """train.py's loader with `-j 2 --color-jitter 0 --reprob 0`."""
    mean, std = entry.mean_std()
    pictures = Pictures(entry.data())
    loader = timm.data.create_loader(
        pictures,
        input_size=(len(mean), 28, 28),
        batch_size=ours.BATCH,
        is_training=True,
        color_jitter=None,
        mean=tuple(mean),
        std=tuple(std),
        num_workers=2,
        device=torch.device("cpu"),
    )
    # create_transform's first is the crop, and it knows none that pads: put that of the others in its place.
    chain = pictures.transform.transforms
    assert isinstance(chain[0], timm.data.transforms.RandomResizedCropAndInterpolation)
    chain[0] = transforms.RandomCrop(28, padding=PADDING)
    return loader


def train(entry: Entry) -> None:
    loader = make_loader(entry)
    net = entry.net()
    optimizer = timm.optim.create_optimizer_v2(
        net, opt=entry.optimizer, lr=ours.LR, weight_decay=ours.WEIGHT_DECAY, momentum=ours.MOMENTUM
    )
    loss_function = nn.CrossEntropyLoss()
    while True:
        losses_m = timm.utils.AverageMeter()
        for images, labels in loader:
            with entry.autocast():
                loss = loss_function(net(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses_m.update(loss.item(), len(labels))
            entry.count(len(labels))


if __name__ == "__main__":
    train(Entry.from_command_line())
