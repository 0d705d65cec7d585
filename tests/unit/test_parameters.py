"""Which parameters learn, and how fast: blocks, heads, frozen parts, weight decay, layer-wise rates."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_training import fit, linear, two_classes, weights
from torch import Tensor, nn

from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.train.feed import Part
from bakeoff.train.parameters import Group, blocks_of, freeze, parameter_groups
from bakeoff.train.spec import Last, Recipe


class Users(nn.Module):
    """A net as a stranger writes it: parts in lists and dicts, a weight of its own, a weight under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.body = nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)])
        self.body.append(self.body[0])
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 5))

    def forward(self, images: Tensor) -> Tensor:
        images = self.stem(images) * self.scale
        for layer in self.body:
            images = layer(images).relu()
        logits: Tensor = self.head(images.mean((2, 3)))
        return logits


def own(builder: str, size: int = 32, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    known = registry.options_of(builder)
    options = {**{name: option.default for name, option in known.items()}, **options}
    return registry.build({"builder": builder, "options": options}, channels=3, size=size, classes=5)


def timm_net(name: str, **settings: Any) -> nn.Module:
    import timm

    torch.manual_seed(0)
    net: nn.Module = timm.create_model(name, num_classes=5, **settings)
    return net


def torchvision_net(name: str, **settings: Any) -> nn.Module:
    import torchvision

    torch.manual_seed(0)
    if name == "vit":
        return torchvision.models.VisionTransformer(
            image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=5
        )
    if name == "vgg":
        features = torchvision.models.vgg.make_layers([8, "M", 16, "M", 16, 16], batch_norm=False)
        return torchvision.models.VGG(features, num_classes=5, init_weights=False)
    net: nn.Module = torchvision.models.get_model(name, num_classes=5, **settings)
    return net


VIT = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 4, "num_heads": 3}
CONVNEXT = {"depths": (1, 1, 2, 1), "dims": (8, 16, 24, 32)}
NETS: dict[str, Any] = {
    "lenet5": lambda: own("lenet5"),
    "tiny_cnn": lambda: own("tiny_cnn"),
    "tiny_vit": lambda: own("tiny_vit"),
    "timm resnet": lambda: timm_net("resnet10t"),
    "timm vit": lambda: timm_net("vit_tiny_patch16_224", **VIT),
    "timm convnext": lambda: timm_net("convnext_atto", **CONVNEXT),
    "torchvision resnet": lambda: torchvision_net("resnet18"),
    "torchvision vgg": lambda: torchvision_net("vgg"),
    "torchvision vit": lambda: torchvision_net("vit"),
    "torchvision mobilenet": lambda: torchvision_net("mobilenet_v3_small"),
    "user's": Users,
}


def classifier(net: nn.Module) -> list[str]:
    """Names of weight and bias of the last linear layer."""
    name = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)][-1]
    return [f"{name}.weight", f"{name}.bias"]


# --- blocks


@pytest.fixture(params=NETS)
def net(request: pytest.FixtureRequest) -> nn.Module:
    made: nn.Module = NETS[request.param]()
    return made


def test_every_parameter_is_in_one_block_and_the_last_is_the_head(net: nn.Module) -> None:
    blocks = blocks_of(net)
    names = [name for block in blocks for name in block]
    assert len(names) == len(set(names))
    assert set(names) == {name for name, _ in net.named_parameters()}
    assert blocks[-1] == classifier(net)
    assert all(blocks)
    assert len(blocks) >= 3


@pytest.mark.parametrize(
    ("net", "inside", "least"),
    [
        ("timm resnet", "layer4", 6),
        ("timm vit", "blocks.3", 6),
        ("timm convnext", "stages.3", 6),
        ("torchvision resnet", "layer4", 6),
        ("torchvision vgg", "classifier.3", 7),
        ("torchvision vit", "encoder.layers.encoder_layer_2", 5),
        ("torchvision mobilenet", "classifier.0", 10),
        ("user's", "head.1", 4),
    ],
)
def test_blocks_go_from_input_to_output(net: str, inside: str, least: int) -> None:
    blocks = blocks_of(NETS[net]())
    assert len(blocks) >= least
    before_the_head = [i for i, block in enumerate(blocks) if any(name.startswith(inside) for name in block)]
    assert before_the_head[-1] >= len(blocks) - 3


@pytest.mark.parametrize("name", NETS)
def test_no_block_is_a_norm_alone(name: str) -> None:
    net = NETS[name]()
    parameters = dict(net.named_parameters())
    for block in blocks_of(net)[1:]:
        assert any(parameters[name].ndim > 1 for name in block), block


def test_one_layer_is_a_head() -> None:
    assert blocks_of(linear()) == [["1.weight", "1.bias"]]


# --- rates and decay


def scales(groups: list[Group], net: nn.Module) -> dict[str, tuple[float, float]]:
    """Scale and decay of each parameter by name."""
    found = {id(p): (group.lr_scale, group.weight_decay) for group in groups for p in group.parameters}
    return {name: found[id(parameter)] for name, parameter in net.named_parameters() if id(parameter) in found}


def test_each_parameter_that_learns_is_in_one_group(net: nn.Module) -> None:
    freeze(net, Last(last=1))
    groups = parameter_groups(net, Recipe(layer_decay=0.8, weight_decay=0.1), blocks_of(net))
    grouped = [id(parameter) for group in groups for parameter in group.parameters]
    assert sorted(grouped) == sorted(id(p) for p in net.parameters() if p.requires_grad)
    assert len({(group.lr_scale, group.weight_decay) for group in groups}) == len(groups)


def test_without_layer_decay_there_are_two_rates_of_decay_and_one_of_learning(net: nn.Module) -> None:
    got = scales(parameter_groups(net, Recipe(weight_decay=0.1), blocks_of(net)), net)
    exempt = set(net.no_weight_decay()) if hasattr(net, "no_weight_decay") else set()  # type: ignore[operator]
    for name, parameter in net.named_parameters():
        raw = {"class_token", "positions", "encoder.pos_embedding"}  # of tiny_vit and torchvision's ViT
        decays = parameter.ndim > 1 and name not in exempt | raw
        assert got[name] == (1.0, 0.1 if decays else 0.0)


def test_norms_biases_and_embeddings_do_not_decay() -> None:
    vit = scales(parameter_groups(net := NETS["timm vit"](), Recipe(weight_decay=0.1), blocks_of(net)), net)
    assert {vit[name][1] for name in ("cls_token", "pos_embed", "blocks.0.norm1.weight", "head.bias")} == {0.0}
    assert {vit[name][1] for name in ("patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "head.weight")} == {0.1}
    users = scales(parameter_groups(net := Users(), Recipe(weight_decay=0.1), blocks_of(net)), net)
    decaying = ["stem.0.weight", *(f"body.{i}.weight" for i in range(3)), "head.1.weight", "head.3.weight"]
    assert [name for name, (_, decay) in users.items() if decay] == decaying


@pytest.mark.parametrize(
    ("name", "exempt"),
    [
        ("tiny_vit", {"class_token", "positions"}),
        ("torchvision vit", {"class_token", "encoder.pos_embedding"}),
        ("torchvision swin", {"relative_position_bias_table"}),
        ("torchvision convnext", {"layer_scale"}),
        ("eca", set()),
    ],
)
def test_tokens_positions_and_layer_scales_do_not_decay(name: str, exempt: set[str]) -> None:
    """As torchvision's training script and timm's nets have it, whoever built the net."""
    more = {
        "torchvision swin": lambda: torchvision_net("swin_t"),
        "torchvision convnext": lambda: torchvision_net("convnext_tiny"),
        "eca": lambda: timm_net("ecaresnet26t"),  # whose convolutions over channels are [1, 1, k], and weights
    }
    net = {**NETS, **more}[name]()
    got = scales(parameter_groups(net, Recipe(weight_decay=0.1), blocks_of(net)), net)
    not_decaying = {n for n, parameter in net.named_parameters() if parameter.ndim > 1 and got[n][1] == 0}
    assert {n if n in exempt else n.rpartition(".")[2] for n in not_decaying} == exempt


@pytest.mark.parametrize("name", ["timm vit", "timm convnext", "timm resnet"])
def test_layer_decay_is_timms(name: str) -> None:
    """timm's, too, counts the head as a layer of its own, with the full rate. One difference: timm takes the norm
    before ConvNeXt's classifier for a part of the head, but the one before a ViT's for a part of the last block; here
    both belong to the last block.
    """
    from timm.optim import param_groups_layer_decay

    net = NETS[name]()
    exempt = net.no_weight_decay() if hasattr(net, "no_weight_decay") else ()
    reference = param_groups_layer_decay(net, weight_decay=0.1, no_weight_decay_list=exempt, layer_decay=0.7)
    want = scales([Group(g["params"], g["weight_decay"], g["lr_scale"]) for g in reference], net)
    got = scales(parameter_groups(net, Recipe(layer_decay=0.7, weight_decay=0.1), blocks_of(net)), net)
    assert got.keys() == want.keys()
    for parameter, (scale, decay) in want.items():
        expected = 0.7 * scale if parameter.startswith("head.norm.") else scale
        assert got[parameter][0] == pytest.approx(expected), parameter
        assert got[parameter][1] == decay, parameter


def test_layer_decay_falls_towards_the_input(net: nn.Module) -> None:
    blocks = blocks_of(net)
    got = scales(parameter_groups(net, Recipe(layer_decay=0.5), blocks), net)
    for i, block in enumerate(blocks):
        assert {got[name][0] for name in block} == {0.5 ** (len(blocks) - 1 - i)}
    assert got[classifier(net)[0]][0] == 1.0


# --- frozen parts


def images(size: int = 32) -> Part:
    random = torch.Generator().manual_seed(0)
    return Part(torch.randint(0, 256, (16, 3, size, size), generator=random, dtype=torch.uint8), torch.arange(16) % 5)


def changed(net: nn.Module, **recipe: Any) -> set[str]:
    """Names of the tensors, buffers among them, that a short training changes."""
    before = weights(net)
    part = images()
    outcome = fit(net, part, epochs=1, batch_size=8, lr=1e-2, warmup_epochs=0, weight_decay=0.1, **recipe)
    assert outcome.diverged is None
    return {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}


SMALL = [name for name in NETS if name not in ("torchvision vgg", "torchvision resnet")]


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("trained", ["head", 1])
def test_only_what_is_trained_changes(name: str, trained: str | int) -> None:
    """All else stays bit for bit: weights, and the statistics of batch norms."""
    net = NETS[name]()
    blocks = blocks_of(net)
    got = changed(net, trained=trained if trained == "head" else {"last": trained})
    learning = blocks[-1] if trained == "head" else [*blocks[-2], *blocks[-1]]
    assert set(classifier(net)) <= got
    modules = {name.rpartition(".")[0] for name in learning}
    shared = {name for name in net.state_dict() if name not in dict(net.named_parameters())}
    for tensor in got - set(learning):  # a buffer of a module that learns, or a second name of a weight
        assert tensor.rpartition(".")[0] in modules or tensor in shared & {"body.3.weight", "body.3.bias"}, tensor
    assert len(got & set(learning)) > len(learning) / 2


@pytest.mark.parametrize("name", ["lenet5", "tiny_cnn", "timm resnet", "user's"])
def test_all_learn_by_default(name: str) -> None:
    net = NETS[name]()
    missed = {name for name, _ in net.named_parameters()} - changed(net)
    assert len(missed) < len(list(net.parameters())) / 4  # such as the last scales of blocks that begin with zero


def test_all_but_the_last_block_as_a_number_is_all() -> None:
    net = NETS["tiny_cnn"]()
    freeze(net, Last(last=len(blocks_of(net)) - 1))
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_more_blocks_than_there_are_is_the_users_mistake(net: nn.Module) -> None:
    n = len(blocks_of(net))
    with pytest.raises(UserError, match=rf"trained: last: {n}: this net has {n - 1} blocks before its head"):
        freeze(net, Last(last=n))


def test_a_head_alone_learns_with_the_rest_in_evaluation_mode() -> None:
    """So the features of an image are the same in every epoch: no dropout, no drop path, no batch statistics."""
    net = Users()
    frozen = freeze(net, "head")
    net.train()
    frozen.to_eval()
    assert net.head.training
    assert not net.stem[1].training
    assert not net.head[0].training
    x = torch.rand(4, 3, 8, 8)
    assert torch.equal(net(x), net(x))


def test_what_learns_keeps_its_dropout_and_its_statistics() -> None:
    net = Users()
    frozen = freeze(net, "all")
    net.train()
    frozen.to_eval()
    assert all(module.training for module in net.modules())


class HeadFirst(nn.Module):
    """A net that names its head before the layers it stands on."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(4, 2)
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 4, 2))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images).mean((2, 3)))
        return logits


def test_a_head_is_the_head_wherever_it_was_made() -> None:
    net = HeadFirst()
    assert blocks_of(net)[-1] == ["classifier.weight", "classifier.bias"]
    assert {name for name, _ in net.named_parameters()} == {name for block in blocks_of(net) for name in block}
    frozen = freeze(net, "head")
    net.train()
    frozen.to_eval()
    assert not any(module.training for module in net.features.modules())
    assert net.classifier.training


def test_a_users_variant_of_a_timm_net_has_timms_blocks() -> None:
    from timm.models.resnet import BasicBlock, ResNet

    class Mine(ResNet):
        pass

    net = Mine(BasicBlock, (1, 1, 1, 1), num_classes=5)
    assert len(blocks_of(net)) == len(blocks_of(NETS["timm resnet"]()))
    assert blocks_of(net)[-1] == ["fc.weight", "fc.bias"]


def test_randomness_of_any_kind_stops_where_nothing_learns() -> None:
    """Not only that of modules known here: a frozen part is in evaluation mode as a whole."""

    class Noise(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.randn_like(x) if self.training else x

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.noise, self.slope = nn.Linear(4, 4), Noise(), nn.RReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.slope(self.noise(self.layer(x)))  # type: ignore[no-any-return]

    net = nn.Sequential(Block(), Block(), nn.Linear(4, 2))
    frozen = freeze(net, Last(last=1))
    net.train()
    frozen.to_eval()
    x = torch.rand(3, 4)
    assert [module.training for module in net] == [False, True, True]
    assert torch.equal(net[0](x), net[0](x))
    assert not torch.equal(net(x), net(x))


class Normed(nn.Module):
    """Norms with statistics and without weights, before and after what learns."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.InstanceNorm2d(1, track_running_stats=True)
        self.body = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4, affine=False)
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(self.body(self.first(images))).mean((2, 3)))
        return logits


def test_statistics_of_any_norm_stay_where_nothing_learns() -> None:
    net = Normed()
    before = weights(net)
    fit(net, two_classes(), epochs=1, trained="head")
    got = {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert got == {"head.weight", "head.bias"}
