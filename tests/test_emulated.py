"""bf16 where the processor does not multiply it, against sums in double precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from conftest import REGISTRY, small
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vidgan_core.errors import UsageError
from vidgan_core.precision import EMULATED
from vidgan_core.run import Run

CPU = torch.device("cpu")
LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolution": (lambda: nn.Conv3d(8, 16, 3, padding=1), (2, 8, 4, 8, 8)),
    "groups": (lambda: nn.Conv2d(8, 16, 3, padding=1, groups=4), (2, 8, 16, 16)),
    "transposed": (lambda: nn.ConvTranspose2d(8, 16, 4, 2, 1), (2, 8, 8, 8)),
    "linear": (lambda: nn.Linear(64, 48), (40, 64)),
    "no bias": (lambda: nn.Linear(64, 48, bias=False), (40, 64)),
    "three axes": (lambda: nn.Linear(64, 48), (4, 10, 64)),
}


def rounded(tensor: Tensor) -> Tensor:
    """The nearest numbers of bf16, in double precision."""
    return tensor.bfloat16().double()


def assert_rounded(actual: Tensor, exact: Tensor) -> None:
    """Nearly all are the exact numbers, rounded once; where a sum was close to a half, the next."""
    assert (actual.double() == rounded(exact)).double().mean() > 0.98
    torch.testing.assert_close(actual.double(), exact, rtol=2**-8, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("recomputed", [False, True])
def test_products_are_exact_and_sums_rounded_once(name: str, recomputed: bool) -> None:
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    layer = make()
    x = torch.randn(shape, requires_grad=True)
    with EMULATED.arithmetic():
        with EMULATED.autocast(CPU):
            y = checkpoint(layer, x, use_reentrant=False) if recomputed else layer(x)
        assert y.dtype == torch.bfloat16
        above = torch.randn_like(y)
        y.backward(above)

    exact = make().double()
    exact.load_state_dict({name: rounded(t) for name, t in layer.state_dict().items()})
    z = rounded(x.detach()).requires_grad_()
    expected = exact(z)
    expected.backward(above.double())
    assert_rounded(y, expected)
    assert x.grad is not None
    assert z.grad is not None
    assert_rounded(x.grad, z.grad)
    for mine, theirs in zip(layer.parameters(), exact.parameters(), strict=True):
        assert mine.grad is not None
        assert mine.grad.dtype == torch.float32
        assert theirs.grad is not None
        assert_rounded(mine.grad, theirs.grad)


def test_what_is_not_bf16_is_left_alone() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(8, 5), torch.randn(7, 8)
    with EMULATED.arithmetic():
        assert torch.equal(layer(x), layer(x.clone()))
        assert layer(x).dtype == torch.float32
    assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))


PRODUCTS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "mm": lambda a, b, c: torch.mm(a, b),
    "mm, out": lambda a, b, c: torch.mm(a, b, out=torch.empty(0, dtype=a.dtype)),
    "addmm": lambda a, b, c: torch.addmm(c, a, b, beta=0.5, alpha=2),
    "addmm_": lambda a, b, c: c.clone().addmm_(a, b),
    "bmm": lambda a, b, c: torch.bmm(a[None], b[None])[0],
    "baddbmm": lambda a, b, c: torch.baddbmm(c[None], a[None], b[None])[0],
    "baddbmm_": lambda a, b, c: c[None].clone().baddbmm_(a[None], b[None])[0],
    "addbmm": lambda a, b, c: torch.addbmm(c, torch.stack([a, a]), torch.stack([b, b])),
    "addbmm_": lambda a, b, c: c.clone().addbmm_(torch.stack([a, a]), torch.stack([b, b])),
    "addmv": lambda a, b, c: torch.addmv(c[:, 0], a, b[:, 0]),
    "addmv_": lambda a, b, c: c[:, 0].clone().addmv_(a, b[:, 0]),
    "matmul of vectors": lambda a, b, c: torch.matmul(a[0], b[:, 0]),
    "matrix and vector": lambda a, b, c: a @ b[:, 0],
    "einsum": lambda a, b, c: torch.einsum("ik,kj->ij", a, b),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_by_any_name(name: str) -> None:
    torch.manual_seed(0)
    given = [torch.randn(n, m).bfloat16() for n, m in ((48, 64), (64, 32), (48, 32))]
    with EMULATED.arithmetic():
        found = PRODUCTS[name](*given)
    assert found.dtype == torch.bfloat16
    assert_rounded(found, PRODUCTS[name](*(tensor.double() for tensor in given)))


def test_what_torch_refuses_is_refused() -> None:
    a, b = torch.randn(4, 4).bfloat16(), torch.randn(4, 4)
    with EMULATED.arithmetic(), pytest.raises(RuntimeError, match="same dtype"):
        torch.mm(a, b)


@pytest.mark.parametrize("layer", [nn.LSTM(6, 5), nn.GRU(6, 5)])
def test_recurrent_layers_are_close_to_single_precision(layer: nn.Module) -> None:
    torch.manual_seed(0)
    x = torch.randn(9, 3, 6)
    exact = torch.autograd.grad(layer(x)[0].square().sum(), list(layer.parameters()))
    with EMULATED.arithmetic():
        with EMULATED.autocast(CPU):
            y = layer(x)[0]
        found = torch.autograd.grad(y.float().square().sum(), list(layer.parameters()))
    for mine, theirs in zip(found, exact, strict=True):
        assert 0 < (mine - theirs).norm() < 0.03 * theirs.norm()


@pytest.mark.parametrize("term", ["r1", "r2", "wgan-gp", "dragan"])
def test_penalties_follow_those_of_single_precision(term: str) -> None:
    """Which differentiate twice."""
    found = {}
    for precision in ("fp32", "bf16"):
        run = Run(
            small("modern", "minimax", f"trainer.precision={precision}", f"term={{{term}={{}}}}"),
            REGISTRY,
        )
        for _ in range(2):
            scalars = run.trainer.step()
        assert scalars
        found[precision] = scalars[f"discriminator/{term}"]
    torch.testing.assert_close(found["bf16"], found["fp32"], rtol=0.05, atol=1e-6)
    assert found["bf16"] != found["fp32"]


def test_nothing_pretends_to_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    config = small("mlp", "minimax", "trainer.precision=bf16", "trainer.compile=true")
    with pytest.raises(UsageError, match="nothing is compiled where bf16 is emulated"):
        Run(config, REGISTRY)


def test_what_is_measured_of_a_clip_is_not_rounded() -> None:
    """`modern` judges how means deviate over time, which are nearly the same in all frames."""
    run = Run(small("modern"), REGISTRY)
    video = torch.rand(4, 3, 4, 16, 16)
    with EMULATED.arithmetic(), EMULATED.autocast(CPU):
        (features,) = run.parts.discriminator(video, {}).features
    assert features.dtype == torch.float32
    assert not torch.equal(features, features.bfloat16().float())
