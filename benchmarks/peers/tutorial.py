"""The loop of a PyTorch tutorial: PIL transforms, a DataLoader with two workers, torch.optim, `.item()` every step."""

from __future__ import annotations

from torch import nn
from torch.utils.data import DataLoader

from benchmarks import ours
from benchmarks.peers.entry import Entry
from benchmarks.peers.pictures import Pictures, augmented


def train(entry: Entry) -> None:
    loader = DataLoader(
        Pictures(entry.data(), augmented(*entry.mean_std())),
        batch_size=ours.BATCH,
        shuffle=True,
        num_workers=2,
        drop_last=True,
    )
    net = entry.net()
    optimizer = entry.make_optimizer(net)
    criterion = nn.CrossEntropyLoss()
    while True:
        running_loss, correct = 0.0, 0
        for images, labels in loader:
            optimizer.zero_grad()
            with entry.autocast():
                outputs = net(images)
                loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * len(labels)
            correct += (outputs.argmax(1) == labels).sum().item()
            entry.count(len(labels))


if __name__ == "__main__":
    train(Entry.from_command_line())
