"""Tiny ViT (after Dosovitskiy et al. 2021): patch 4, dim 64, depth 2, 4 heads, class token, learned positions.

Attention is written out as two matrix products: counters of operations see it, and on a CPU its bf16 backward pass is
several times faster than that of the fused kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head self-attention over tokens [B, T, dim]."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, dim] to tokens of the same shape."""
        batch, length, dim = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, length, 3, self.heads, dim // self.heads)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4)
        weights = (queries * self.scale @ keys.transpose(-2, -1)).softmax(dim=-1)
        mixed: Tensor = self.out((weights @ values).transpose(1, 2).reshape(batch, length, dim))
        return mixed


class Block(nn.Module):
    """Attention and a two-layer perceptron, each behind a layer norm and beside a residual path."""

    def __init__(self, dim: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, mlp_ratio * dim), nn.GELU(), nn.Linear(mlp_ratio * dim, dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, dim] to tokens of the same shape."""
        tokens = tokens + self.attention(self.norm1(tokens))
        mixed: Tensor = tokens + self.mlp(self.norm2(tokens))
        return mixed


class TinyViT(nn.Module):
    """A vision transformer for small images."""

    def __init__(self, channels: int, tokens: int, classes: int, patch: int, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, dim, kernel_size=patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(0.02 * torch.randn(1, tokens + 1, dim))
        self.blocks = nn.Sequential(*(Block(dim, heads, mlp_ratio=2) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images [B, channels, size, size] to logits [B, classes]."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1) + self.positions
        logits: Tensor = self.head(self.norm(self.blocks(tokens)[:, 0]))
        return logits


def build(
    channels: int, size: int, classes: int, *, patch: int = 4, dim: int = 64, depth: int = 2, heads: int = 4
) -> nn.Module:
    """Logits [B, classes] from images [B, channels, size, size]; size a multiple of patch, dim of heads."""
    if size % patch:
        raise ValueError(f"needs an image size that is a multiple of its patch, {patch}")
    if dim % heads:
        raise ValueError(f"needs dim ({dim}) to be a multiple of heads ({heads})")
    return TinyViT(channels, (size // patch) ** 2, classes, patch, dim, depth, heads)
