"""What a third party's component returns is checked where it is first used, and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Result

pytestmark = pytest.mark.usefixtures("one_thread")
Command = Callable[..., Result]

MANIFEST = """
from vidgan_core import Component, hookimpl

@hookimpl
def vidgan_components():
    for kind in ("generator", "discriminator", "loss", "term", "augment"):
        yield Component(kind, "odd", "{module}_code:" + kind.capitalize(), "one of its own")
"""
CODE = """
import torch
from torch import nn

from vidgan_core.interfaces import Augment as AugmentBase
from vidgan_core.interfaces import Discriminator as DiscriminatorBase
from vidgan_core.interfaces import Fake, Verdict
from vidgan_core.interfaces import Generator as GeneratorBase
from vidgan_core.interfaces import Loss as LossBase
from vidgan_core.interfaces import Term as TermBase


class Generator(GeneratorBase):
    def __init__(self, spec):
        super().__init__(spec)
        self.layer = nn.Linear(4, spec.channels * spec.frames)
        self.built()

    def built(self):
        pass

    def noise(self, n, rng, *, frames=None):
        return {"z": torch.randn(n, 4, generator=rng)}

    def video(self, noise):
        channels, length, height, width = self.spec.shape
        colours = self.layer(noise["z"]).tanh().unflatten(1, (channels, length))
        return colours[..., None, None].expand(-1, -1, -1, height, width)

    def forward(self, noise, condition, *, frames=None):
        return self.fake(self.video(noise))

    def fake(self, video):
        return Fake(video)


class Discriminator(DiscriminatorBase):
    def __init__(self, spec):
        super().__init__(spec)
        self.layer = nn.Linear(spec.channels * spec.frames, 1)

    def forward(self, video, condition):
        return self.verdict(self.layer(video.mean((3, 4)).flatten(1)))

    def verdict(self, scores):
        return Verdict((scores,))


class Loss(LossBase):
    def discriminator(self, real, fake):
        return self.reduced(fake - real)

    def generator(self, real, fake):
        return self.reduced(-fake)

    def reduced(self, scores):
        return scores.mean()


class Term(TermBase):
    player = "generator"

    def forward(self, play):
        return self.reduced(play.fake.video.square())

    def reduced(self, values):
        return values.mean()


class Augment(AugmentBase):
    def forward(self, video, p):
        return video
"""
TINY = (
    *("run", "--data", "shapes", "--device", "cpu", "--precision", "fp32", "--out", "out"),
    *("--set", "data.frames=4", "--set", "data.size=16", "--set", "data.batch=4"),
    *("--set", "callback.pictures.count=1", "--steps", "2"),
)
USE = {
    "generator": ("--gen", "odd"),
    "discriminator": ("--disc", "odd"),
    "loss": ("--loss", "odd"),
    "term": ("--term", "odd"),
    "augment": ("--augment", "odd"),
}
GENERATORS = {
    "Fake(video[:, :, :-1])": "returns a video of [1, 3, 3, 16, 16], it should be [1, 3, 4",
    "Fake(video[:1])": "returns a video of [1, 3, 4, 16, 16], it should be [4, 3, 4, 16, 16]",
    "Fake(video.transpose(1, 2))": "returns a video of [1, 4, 3, 16, 16], it should be",
    "Fake((video * 127).to(torch.uint8))": "returns a video of torch.uint8, not of floating-point",
    "Fake(video.double())": "returns a video of torch.float64, its weights are torch.float32",
    "Fake(video.to('meta'))": "returns a video on meta, its weights are on cpu",
    "Fake(video.detach().numpy())": "returns a video of ndarray, it should be",
    "video": "returns [1, 3, 4, 16, 16] instead of a Fake",
    "None": "returns NoneType instead of a Fake",
    "Fake(127.5 * (video + 1))": "returns pixels up to",
}
DISCRIMINATORS = {
    "scores": "returns [4, 1] instead of a Verdict",
    "Verdict(())": "returns no scores",
    "Verdict((scores.mean(),))": "returns scores of [] for 4 clips: the first dimension must",
    "Verdict((scores.mean(0),))": "returns scores of [1] for 4 clips: the first dimension must",
    "Verdict((scores > 0,))": "returns scores of torch.bool, not of floating-point numbers",
    "Verdict((scores.double(),))": "returns scores of torch.float64, its weights are",
    "Verdict(([0.5],))": "returns scores of list for 4 clips",
}
CASES = [
    *(("generator", "fake", "video", *case) for case in GENERATORS.items()),
    *(("discriminator", "verdict", "scores", *case) for case in DISCRIMINATORS.items()),
    ("loss", "reduced", "scores", "scores", "returns a loss of [4, 1, 1, 1, 1]: it must be"),
    ("loss", "reduced", "scores", "scores.mean().item()", "returns a loss of float: it must be a"),
    (
        "term",
        "reduced",
        "values",
        "values.mean((2, 3, 4))",
        "returns a value of [4, 3]: it must be",
    ),
    ("augment", "forward", "video, p", "video[..., 1:]", "returns [4, 3, 4, 16, 15] for clips of"),
]


def changed(kind: str, method: str, parameters: str, returned: str) -> str:
    """The code with one method of one class replaced."""
    name = kind.capitalize()
    body = f"    def {method}(self, {parameters}):\n        return {returned}\n"
    return f"{CODE}\n\nclass {name}({name}):\n{body}"


def used(*kinds: str) -> tuple[str, ...]:
    """Arguments of a run with odd components of these kinds and small ones of ours."""
    ours = [kind for kind in ("generator", "discriminator") if kind not in kinds]
    narrow = [word for kind in ours for word in ("--set", f"{kind}.width=2")]
    return (*TINY, *narrow, *(word for kind in kinds for word in USE[kind]))


@pytest.mark.parametrize(
    ("kind", "method", "parameters", "returned", "message"),
    CASES,
    ids=[f"{case[0]}-{case[3]}" for case in CASES],
)
def test_what_is_wrong_is_one_line_that_names_who_returns_it(
    install: Callable[..., None],
    vidgan: Command,
    kind: str,
    method: str,
    parameters: str,
    returned: str,
    message: str,
) -> None:
    install("odd", MANIFEST, changed(kind, method, parameters, returned))
    result = vidgan(*used(kind))
    assert result.code == 3, result.err
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    noun = "augmentation" if kind == "augment" else kind
    assert f"{noun} 'odd' of stranger-odd 1.2 (stranger_odd) " in errors[0]
    assert message in errors[0]
    assert "Traceback" not in result.err
    assert not list(Path("out/checkpoints").iterdir())


def test_what_is_right_trains(install: Callable[..., None], vidgan: Command) -> None:
    install("odd", MANIFEST, CODE)
    result = vidgan(*used(*USE))
    assert result.code == 0, result.err


def test_an_encoder_is_no_critic(install: Callable[..., None], vidgan: Command) -> None:
    code = changed("discriminator", "verdict", "scores", 'Verdict((), extras={"code": scores})')
    gives = "(DiscriminatorBase):\n    gives = frozenset({'code'})"
    install("odd", MANIFEST, code.replace("(DiscriminatorBase):", gives))
    result = vidgan(*used("discriminator"))
    assert result.code == 2
    assert "the discriminator of this game gives no scores" in result.err


def test_a_critic_that_is_first_run_late_is_checked_then(
    install: Callable[..., None], vidgan: Command
) -> None:
    code = changed("discriminator", "verdict", "scores", "Verdict((scores.mean(),))")
    code = code.replace('player = "generator"', 'player = "generator"\n    reads_critic = False')
    install("odd", MANIFEST, code)
    result = vidgan(*used("discriminator", "term"), "--steps", 3, "--set", "loss.start=2",
                    "--set", "trainer.report_every=1")  # fmt: skip
    assert result.code == 3
    assert (
        "discriminator 'odd' of stranger-odd 1.2 (stranger_odd) returns scores of []" in result.err
    )
    assert len(Path("out/metrics.jsonl").read_text().splitlines()) == 2


def test_a_constructor_that_reads_values_trains_and_is_sampled(
    install: Callable[..., None], vidgan: Command
) -> None:
    own = "\n    def built(self):\n        self.size = float(self.layer.weight.detach().norm())\n"
    install("odd", MANIFEST, CODE.replace("\n    def built(self):\n        pass\n", own))
    assert vidgan(*used("generator"), "--dry-run").code == 0
    result = vidgan(*used("generator"))
    assert result.code == 0, result.err
    result = vidgan("sample", "out", "-n", 1, "-o", "clip.mp4")
    assert result.code == 0, result.err
    assert Path("clip.mp4").exists()


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("return self.fake(self.video(noise))",
         "assert self.training\n        return self.fake(self.video(noise))",
         "can't be sampled: AssertionError"),
        ("condition, *, frames=None", "condition", "can't be sampled: TypeError: "),
        ("return self.fake(self.video(noise))",
         "return self.fake(self.video(noise)) if self.training else self.video(noise)",
         "returns [1, 3, 4, 16, 16] instead of a Fake"),
    ],
    ids=["eval", "frames", "returns"],
)  # fmt: skip
def test_what_cant_be_sampled_is_refused_before_the_first_step(
    install: Callable[..., None], vidgan: Command, before: str, after: str, reason: str
) -> None:
    assert before in CODE
    install("odd", MANIFEST, CODE.replace(before, after))
    result = vidgan(*used("generator"))
    assert result.code == 3
    assert "generator 'odd' of stranger-odd 1.2 (stranger_odd) " in result.err
    assert reason in result.err
    assert "Traceback" not in result.err
    assert not Path("out/metrics.jsonl").exists() or not Path("out/metrics.jsonl").read_text()
