"""Modules of PyTorch as graphs: the same energies, the same parameters, and errors that name the place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import scorematching as sm

Case = tuple[nn.Module, tuple[int, ...]]


class _Net(nn.Module):
    """A first layer, a function of the module and what the layer gives, and an energy of it."""

    def __init__(self, f: Callable[[_Net, Tensor], Tensor], first: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.f = first, nn.Sequential(nn.Linear(6, 6), nn.Tanh()), f
        self.gain, self.bias, self.matrix = (nn.Parameter(torch.rand(s)) for s in ((6,), (1, 6, 1, 1), (3, 6)))
        self.fixed = nn.Buffer(torch.rand(6))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.f(self, self.first(x))).flatten(1).sum(1)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.second(F.silu(self.first(x)))
        return x / 2


class _Unet(nn.Module):
    """A model of some size: down by pixel_unshuffle, residual blocks, up again, the two ends joined."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), _Block(), _Block(), nn.Conv2d(6, 4, 1))
        self.outer, self.head = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(4, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, _ = x.shape
        down = self.inner(F.pixel_unshuffle(x, 2) / height)
        up = torch.cat([F.pixel_shuffle(down, 2), self.outer(x)], dim=1)
        return F.softplus(self.head(up)).view(batch, -1).mean(1) + 0.5 * (x - 1).square().sum((1, 2, 3))


class _Constant(nn.Module):
    def forward(self, x: Tensor) -> float:
        return 1.0


def dense(f: Callable[[_Net, Tensor], Tensor]) -> Case:
    return _Net(f, nn.Linear(4, 6)), (4,)


def image(f: Callable[[_Net, Tensor], Tensor]) -> Case:
    return _Net(f, nn.Conv2d(1, 6, 3, padding=1)), (1, 6, 6)


def chain(*parts: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), *parts, nn.Linear(4, 1))


NAMES = "tanh sigmoid square exp sin cos atan asinh erf expm1 sinh sqrt log log1p reciprocal rsqrt".split()  # noqa: SIM905
FUNCTIONS = [F.silu, F.gelu, F.elu, F.celu, F.mish, F.softsign, F.logsigmoid, F.tanhshrink, F.softplus]
PARTS = [nn.Tanh(), nn.Softplus(2.0), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.ELU(), nn.CELU(0.5), nn.Mish()]
CONVOLUTIONS = nn.Sequential(
    *(nn.Conv2d(1, 4, 3, padding="same", padding_mode="circular"), nn.SiLU()),
    *(nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=2), nn.BatchNorm2d(4).eval(), nn.Dropout(0.0), nn.Softplus()),
    *(nn.ConvTranspose2d(4, 2, 3, stride=2, dilation=2, bias=False), nn.Tanh()),
    *(nn.Conv2d(2, 1, 3, padding=2, dilation=2), nn.Sigmoid(), nn.Flatten(), nn.Linear(81, 1)),
)
CASES: dict[str, Callable[[], Case]] = {
    **{f"torch.{n}": lambda n=n: dense(lambda m, h: getattr(torch, n)(h * h + 0.5)) for n in NAMES},
    **{f"Tensor.{n}": lambda n=n: dense(lambda m, h: getattr(h * h + 0.5, n)()) for n in NAMES},
    **{f"F.{f.__name__}": lambda f=f: dense(lambda m, h: f(h)) for f in FUNCTIONS},
    **{repr(part): lambda part=part: (chain(part), (4,)) for part in PARTS},
    "powers": lambda: dense(lambda m, h: h**3 + torch.pow(h, 2) - h.pow(1) + 2 / (h * h + 1) ** -0.5),
    "arithmetic": lambda: dense(lambda m, h: -(3 - 2 * h) / 4 + (h - 0.5)),
    "sums": lambda: dense(lambda m, h: torch.add(h.sin(), h, alpha=0.5) - torch.sub(h, h.cos()) + (h + h)),
    "broadcast": lambda: dense(lambda m, h: h.sin() + h[:, :1] - h.mean(1, keepdim=True)),
    "in place": lambda: dense(lambda m, h: h.sin().mul_(2).add_(1).tanh_()),
    "residual": lambda: dense(lambda m, h: h + m.second(h)),
    "shared": lambda: dense(lambda m, h: m.second(m.second(h))),
    "parameters": lambda: dense(lambda m, h: (h - m.gain).sin() * m.gain + m.gain),
    "constants": lambda: dense(lambda m, h: (h + torch.ones(6)) * m.fixed + m.fixed.expand(h.shape[0], 6)),
    "parameters of maps": lambda: image(
        lambda m, h: (h * m.gain.view(1, -1, 1, 1) + m.bias).sin() * m.gain[:, None, None]
    ),
    "matrices": lambda: dense(lambda m, h: (h @ m.matrix.T).sin() + F.linear(h, m.fixed.view(1, 6))),
    "slices": lambda: dense(lambda m, h: torch.cat([h[:, :2].sin(), h[:, 1::2], h[:, [0, 5, 0]], h[..., -1:]], dim=1)),
    "chunks": lambda: dense(lambda m, h: torch.cat([h.chunk(3, 1)[1].sin(), h.split([4, 2], 1)[0]], -1)),
    "views": lambda: dense(lambda m, h: h.view(h.size(0), 2, 3).transpose(1, 2).sin().permute(0, 2, 1).reshape(-1, 6)),
    "dimensions": lambda: dense(lambda m, h: h.unflatten(1, (3, 2)).unsqueeze(1).sin().squeeze(1).flatten(1) + h),
    "stacks": lambda: dense(lambda m, h: torch.stack([h.sin(), h], 1).sum(1) + torch.stack([h, h.cos()], -1).mean(-1)),
    "maps cut": lambda: image(lambda m, h: h[:, :, 1:-1, ::2].sin() - h[:, :, 1:-1, 1::2]),
    "maps joined": lambda: image(lambda m, h: torch.cat([h[:, :, :2].sin(), F.pad(h, (1, 0, 2, 0))[..., 1:]], dim=2)),
    "maps reflected": lambda: image(lambda m, h: F.pad(h.sin(), (1, 1, 1, 1), mode="reflect")),
    "maps shuffled": lambda: image(lambda m, h: F.pixel_unshuffle(h.sin(), 2) + F.pixel_unshuffle(h, 2)),
    "pools": lambda: image(lambda m, h: F.avg_pool2d(h, 2).sin() + F.adaptive_avg_pool2d(h.sin(), 1)),
    "sums of maps": lambda: image(lambda m, h: h.mean((2, 3), keepdim=True).sin() + h.sum(3, keepdim=True)),
    "nearest": lambda: image(lambda m, h: F.interpolate(h.sin(), scale_factor=2.0)),
    "convolutions": lambda: (CONVOLUTIONS, (1, 6, 6)),
    "layers of ours": lambda: (nn.Sequential(nn.Linear(4, 3), sm.StudentT(), sm.WeightedSum(3)), (4,)),
    "residual network": lambda: (_Unet(), (1, 6, 6)),
}


@pytest.mark.parametrize("name", CASES)
def test_the_graph_is_the_module(name: str) -> None:
    module, shape = CASES[name]()
    module, x = module.double(), torch.randn(2, *shape, dtype=torch.float64)
    graph, parameters = sm.from_torch(module, x), list(module.parameters())
    torch.testing.assert_close(graph(x), module(x).reshape(2), rtol=1e-12, atol=1e-12)
    assert max(sm.check_gradients(graph, x).values()) < 1e-10
    assert {id(p) for p in graph.parameters() if p.requires_grad} <= {id(p) for p in parameters}
    by_graph, by_module = (torch.autograd.grad(e(x).sum(), parameters, allow_unused=True) for e in (graph, module))
    for one, two in zip(by_graph, by_module, strict=True):
        assert one is two is None or torch.allclose(one, two, 1e-9, 1e-9)
    sm.score_matching_loss(graph, x).backward()
    assert any(p.grad is not None for p in parameters)


def test_a_module_used_twice_is_one_layer_and_nodes_have_the_names_of_operations() -> None:
    graph = sm.from_torch(CASES["shared"]()[0])
    assert graph.layers[1] is graph.layers[3]
    names = {edge.target for edge in sm.from_torch(_Unet(), torch.zeros(1, 1, 6, 6)).edges}
    assert names >= {"conv2d", "silu", "add", "pixel_unshuffle", "pixel_shuffle.flat", "cat", "energy"}


@pytest.mark.parametrize("side", [9, 28])
def test_an_example_is_made_from_the_first_layer(side: int) -> None:
    pool = nn.AdaptiveAvgPool2d(1) if side == 9 else nn.Identity()
    head = nn.Linear(3 if side == 9 else 3 * 26 * 26, 1)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.SiLU(), pool, nn.Flatten(), head)
    x, state = torch.randn(5, 2, side, side), torch.get_rng_state()
    graph = sm.from_torch(module)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(graph(x), module(x).flatten())


REFUSED: dict[str, Callable[[], nn.Module]] = {
    r"mul \(node 'mul', in the module, _Net\): a product of two": lambda: dense(lambda m, h: h * h.sin())[0],
    "a quotient of two values": lambda: dense(lambda m, h: h / h.exp())[0],
    "softmax .*in module '1', Softmax.*no layer stands for it": lambda: chain(nn.Softmax(1)),
    "layer_norm .*in module '1', LayerNorm": lambda: chain(nn.LayerNorm(4)),
    r"BatchNorm1d .*call eval\(\) first": lambda: chain(nn.BatchNorm1d(4)),
    r"dropout .*in module '1', Dropout.*call eval\(\) first": lambda: chain(nn.Dropout()),
    "GRU .*in module '1', GRU.*: no layer stands for it": lambda: chain(nn.GRU(4, 4)),
    "max_pool2d .*use average pooling": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)),
    "follow forward of module '1', _Net: .*no if, for, len": lambda: chain(
        dense(lambda m, h: h if h.sum() > 0 else -h)[0]
    ),
    "linear .*computed from parameters": lambda: chain(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))),
    "write F.linear": lambda: dense(lambda m, h: h[:, :3] @ m.matrix)[0],
    "kink at 0: use celu": lambda: chain(nn.ELU(0.5)),
    "getattr.*dimension 0 must stay": lambda: dense(lambda m, h: h.T)[0],
    "flip.*only those of one sample": lambda: dense(lambda m, h: h.flip(0))[0],
    "mean .*each has an energy of its own": lambda: dense(lambda m, h: h - h.mean())[0],
    "the graph gives the energies .*sizes of the batch": lambda: dense(lambda m, h: h / h.shape[0])[0],
    "the module gives .*operations in place": lambda: dense(lambda m, h: h + h.sin_())[0],
    r"pass an example batch as x: .*shape \(N,\) or \(N, 1\), got \(N, 2\)": lambda: nn.Linear(4, 2),
    "pass an example batch as x: there is no Linear": nn.Flatten,
    "expected a torch.nn.Module, got type": lambda: nn.Flatten,
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_layer_is_named(message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        sm.from_torch(REFUSED[message]())


def test_an_example_must_fit() -> None:
    with pytest.raises(ValueError, match=r"in the module, Linear\): expected shape \(N, 4\), got \(3, 3\)"):
        sm.from_torch(nn.Linear(4, 1), torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"shape \(N, ...\), got \(4,\)"):
        sm.from_torch(nn.Linear(4, 1), torch.ones(4))
    with pytest.raises(TypeError, match="one tensor that depends on x, got float"):
        sm.from_torch(_Constant(), torch.ones(1, 4))


KINKED = [nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(0.2), nn.ReLU6(), nn.Hardtanh(), nn.Softshrink(0.1)]
FORMS: list[Callable[[Tensor], Tensor]] = [torch.abs, F.relu, lambda h: h.relu(), lambda h: h.clamp(min=0)]


@pytest.mark.parametrize("module", [*map(chain, KINKED), *(dense(lambda m, h, f=f: f(h))[0] for f in FORMS)])
def test_straight_pieces_are_warned_of(module: nn.Module) -> None:
    module, x = module.double(), torch.randn(3, 4, dtype=torch.float64)
    message = r"piecewise linear in .*\(node .*curvature sits in the kinks.*Softplus or SiLU"
    with pytest.warns(UserWarning, match=message):
        graph = sm.from_torch(module)
    torch.testing.assert_close(graph(x), module(x).flatten(), rtol=1e-12, atol=1e-12)
    sm.check_gradients(graph, x)
