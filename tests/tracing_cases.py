"""Modules of PyTorch that the tests of tracing convert to graphs, one line per operation."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import scorematching as sm

Case = tuple[nn.Module, tuple[int, ...]]


class Net(nn.Module):
    """A first layer, a function ``f`` of the module and the layer's output, and an energy of the result."""

    def __init__(self, f: Callable[[Net, Tensor], Tensor], first: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.f = first, nn.Sequential(nn.Linear(6, 6), nn.Tanh()), f
        self.gain, self.bias, self.matrix = (nn.Parameter(torch.rand(s)) for s in ((6,), (1, 6, 1, 1), (3, 6)))
        self.fixed = nn.Buffer(torch.rand(6))

    def forward(self, x: Tensor) -> Tensor:
        """Energies, shape (N,)."""
        return torch.tanh(self.f(self, self.first(x))).flatten(1).sum(1)


class Block(nn.Module):
    """A residual block of two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The input plus the response of the convolutions, halved."""
        x = x + self.second(F.silu(self.first(x)))
        return x / 2


class Unet(nn.Module):
    """A model of moderate size: pixel_unshuffle, residual blocks, pixel_shuffle, and a skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), Block(), Block(), nn.Conv2d(6, 4, 1))
        self.outer, self.head = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(4, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Energies, shape (N,)."""
        batch, _, height, _ = x.shape
        down = self.inner(F.pixel_unshuffle(x, 2) / height)
        up = torch.cat([F.pixel_shuffle(down, 2), self.outer(x)], dim=1)
        return F.softplus(self.head(up)).view(batch, -1).mean(1) + 0.5 * (x - 1).square().sum((1, 2, 3))


class Attention(nn.Module):
    """Attention between the positions of a sequence."""

    def __init__(self, need_weights: bool) -> None:
        super().__init__()
        self.attention, self.need_weights = nn.MultiheadAttention(4, 2, batch_first=True), need_weights

    def forward(self, x: Tensor) -> Tensor:
        """Energies, shape (N,), of sequences, shape (N, L, 4)."""
        return F.softplus(self.attention(x, x, x, need_weights=self.need_weights)[0]).sum((1, 2))


class Constant(nn.Module):
    """A module whose result does not depend on its input."""

    def forward(self, x: Tensor) -> float:
        """The number 1."""
        return 1.0


def dense(f: Callable[[Net, Tensor], Tensor]) -> Case:
    """A module with a fully connected first layer, and the shape of one sample."""
    return Net(f, nn.Linear(4, 6)), (4,)


def image(f: Callable[[Net, Tensor], Tensor]) -> Case:
    """A module with a convolution as its first layer, and the shape of one sample."""
    return Net(f, nn.Conv2d(1, 6, 3, padding=1)), (1, 6, 6)


def signal(f: Callable[[Net, Tensor], Tensor]) -> Case:
    """A module with a convolution of signals as its first layer, and the shape of one sample."""
    return Net(f, nn.Conv1d(2, 6, 3, padding=1)), (2, 5)


def chain(*parts: nn.Module) -> nn.Module:
    """Parts between two fully connected layers."""
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
    "maps transposed": lambda: image(lambda m, h: h.mT.sin() + h),
    "maps cut": lambda: image(lambda m, h: h[:, :, 1:-1, ::2].sin() - h[:, :, 1:-1, 1::2]),
    "maps joined": lambda: image(lambda m, h: torch.cat([h[:, :, :2].sin(), F.pad(h, (1, 0, 2, 0))[..., 1:]], dim=2)),
    "maps reflected": lambda: image(lambda m, h: F.pad(h.sin(), (1, 1, 1, 1), mode="reflect")),
    "maps shuffled": lambda: image(lambda m, h: F.pixel_unshuffle(h.sin(), 2) + F.pixel_unshuffle(h, 2)),
    "pools": lambda: image(lambda m, h: F.avg_pool2d(h, 2).sin() + F.adaptive_avg_pool2d(h.sin(), 1)),
    "sums of maps": lambda: image(lambda m, h: h.mean((2, 3), keepdim=True).sin() + h.sum(3, keepdim=True)),
    "nearest": lambda: image(lambda m, h: F.interpolate(h.sin(), scale_factor=2.0)),
    "convolutions": lambda: (CONVOLUTIONS, (1, 6, 6)),
    "products": lambda: dense(lambda m, h: h * m.second(h) - h.sin() * h[:, :1]),
    "quotients": lambda: dense(lambda m, h: m.second(h) / (h.sin() + 2) + h / (1 + h.square())),
    "products of functions": lambda: dense(
        lambda m, h: h * torch.sigmoid(m.gain * h) + F.gelu(h) * (3 + h**3) + h * F.silu(h)
    ),
    "products with itself": lambda: dense(lambda m, h: h.tanh() * h.tanh() * h * F.celu(h + m.gain)),
    "silu": lambda: dense(lambda m, h: h * torch.sigmoid(h)),
    "norms by hand": lambda: dense(
        lambda m, h: h / h.square().mean(1, keepdim=True).sqrt() + h.sum(1, keepdim=True).square().add(1).rsqrt() * h
    ),
    "LayerNorm": lambda: (chain(nn.LayerNorm(4), nn.Tanh()), (4,)),
    "LayerNorm of maps": lambda: image(
        lambda m, h: F.layer_norm(h, (6, 6), eps=0.1) + F.layer_norm(h, h.shape[1:], eps=1.0)
    ),
    "RMSNorm": lambda: (chain(nn.RMSNorm(4), nn.Tanh(), nn.RMSNorm(4, 0.1, False)), (4,)),
    "GroupNorm": lambda: image(lambda m, h: F.group_norm(h, 3, m.gain, m.bias.view(-1))),
    "InstanceNorm": lambda: (
        nn.Sequential(
            nn.Conv2d(1, 2, 2, bias=False), nn.InstanceNorm2d(2, affine=True), nn.Tanh(), nn.Flatten(), nn.Linear(8, 1)
        ),
        (1, 3, 3),
    ),
    "InstanceNorm, running": lambda: (
        nn.Sequential(nn.Conv1d(2, 3, 2), nn.InstanceNorm1d(3, track_running_stats=True).eval(), nn.Tanh(), sm.Sum()),
        (2, 4),
    ),
    "logsumexp": lambda: dense(
        lambda m, h: h.logsumexp(1, keepdim=True) + torch.logsumexp(h.view(-1, 3, 2), (1, 2))[:, None]
    ),
    "softmax": lambda: image(lambda m, h: F.softmax(h, 1) + torch.log_softmax(h, -1) + h.softmax(dim=2)),
    "logaddexp": lambda: dense(lambda m, h: torch.logaddexp(h, m.second(h))),
    "signals": lambda: signal(lambda m, h: F.conv1d(h.sin(), m.fixed.view(1, 6, 1)) + h.mean(2, keepdim=True)),
    "signals strided": lambda: (
        nn.Sequential(
            *(nn.Conv1d(2, 4, 3, 2, 2, dilation=2, padding_mode="circular"), nn.Softplus()),
            *(nn.Conv1d(4, 4, 3, padding="same", groups=2, bias=False), nn.GroupNorm(2, 4), nn.Tanh(), nn.Flatten()),
            nn.Linear(12, 1),
        ),
        (2, 5),
    ),
    "layers of the library": lambda: (nn.Sequential(nn.Linear(4, 3), sm.StudentT(), sm.WeightedSum(3)), (4,)),
    "residual network": lambda: (Unet(), (1, 6, 6)),
}
