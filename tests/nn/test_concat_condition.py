"""A discriminator that is shown its condition: what is joined where, and that both move alike."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from conftest import REGISTRY
from torch import Tensor

from vidgan_core.errors import ShapeError, UsageError
from vidgan_core.interfaces import (
    AdaptiveAugment,
    AugmentedDiscriminator,
    DataSpec,
    Discriminator,
    Field,
    Tensors,
    Verdict,
)
from vidgan_core.nn.concat_condition import ConcatCondition
from vidgan_core.tensors import resized

SMALL = Field("small", "clip", (3, 4, 8, 8))
PAST = Field("past", "clip", (3, 2, 16, 16))
REGIONS = Field("regions", "map", (4, 8, 8), classes=3)
STILL = Field("still", "map", (1, 16, 16), classes=2)
LABEL = Field("class", classes=5)


class Watching(Discriminator):
    """Keeps what it is shown."""

    takes = frozenset({"class"})

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        self.shown, self.condition = video, condition
        return Verdict((video.flatten(1).mean(1, keepdim=True),))


def spec(*fields: Field) -> DataSpec:
    return DataSpec(3, 4, 16, 16, fields)


def values(fields: Sequence[Field], n: int = 2) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {
        f.name: torch.randint(f.classes or 1, (n, *f.shape))
        if f.classes
        else torch.rand(n, *f.shape) * 2 - 1
        for f in fields
    }


def test_pictures_are_joined_and_the_rest_goes_on() -> None:
    fields = (LABEL, SMALL, PAST, REGIONS, STILL)
    critic = ConcatCondition(spec(*fields), Watching)
    inner = critic.discriminator
    assert isinstance(inner, Watching)
    assert inner.spec == DataSpec(3 + 3 + 3 + 2, 2 + 4, 16, 16, (LABEL,))
    video, condition = torch.randn(2, 3, 4, 16, 16), values(fields)
    critic(video, condition)
    assert inner.condition.keys() == {"class"}
    shown = inner.shown
    assert shown.shape == (2, *inner.spec.shape)
    assert torch.equal(shown[:, :3, :2], condition["past"])
    assert not shown[:, 3:, :2].any()
    now = shown[:, :, 2:]
    assert torch.equal(now[:, :3], video)
    blocks = condition["small"].repeat_interleave(2, 3).repeat_interleave(2, 4)
    torch.testing.assert_close(now[:, 3:6], blocks)
    large = condition["regions"].repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(now[:, 6:9].argmax(1), large)
    assert torch.equal(now[:, 6:9].sum(1), torch.ones(2, 4, 16, 16))
    assert torch.equal(now[:, 9:].argmax(1), condition["still"].expand(-1, 4, -1, -1))


def test_a_large_clip_is_averaged_and_a_large_map_is_not() -> None:
    clip = torch.arange(16.0).reshape(1, 1, 1, 4, 4)
    assert resized(clip, 2, 2).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    labels = torch.arange(16).reshape(1, 1, 4, 4)
    assert resized(labels, 2, 2).flatten().tolist() == [5, 7, 13, 15]


def test_what_can_not_be_joined() -> None:
    with pytest.raises(UsageError, match="the condition holds no clip and no label map"):
        ConcatCondition(spec(LABEL), Watching)
    with pytest.raises(ShapeError, match="its frames must be 4 or 1"):
        ConcatCondition(spec(Field("regions", "map", (3, 16, 16), classes=2)), Watching)


@pytest.mark.parametrize("name", REGISTRY.names("discriminator"))
def test_any_discriminator_can_be_shown_its_condition(name: str) -> None:
    picture = Field("low", "clip", (1, 8, 8, 8))
    wanted = DataSpec(3, 8, 32, 32, (picture,))
    options = {"width": 8} if name != "mlp" else {}

    def make(joined: DataSpec) -> Discriminator:
        made: Discriminator = REGISTRY.create("discriminator", name, joined, options=options)
        return made

    critic = ConcatCondition(wanted, make).eval()
    video, low = torch.randn(2, 3, 8, 32, 32), torch.randn(2, 1, 8, 8, 8)
    for parameter in critic.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    scores, other = (critic(video, {"low": x}).scores[0] for x in (low, -low))
    assert not torch.equal(scores, other)


@pytest.mark.parametrize("seed", range(6))
def test_pictures_move_with_the_clip_and_labels_are_never_mixed(seed: int) -> None:
    """What is cut out or left by a moved frame is 0 in all of them."""
    full = Field("regions", "map", (4, 16, 16), classes=9)
    fields = (Field("other", "clip", (1, 4, 16, 16)), full, PAST)
    critic = ConcatCondition(spec(*fields), Watching)
    inner = critic.discriminator
    assert isinstance(inner, Watching)
    augment = REGISTRY.create("augment", "diffaugment", options={"colour": False})
    judge = AugmentedDiscriminator(critic, [AdaptiveAugment("diffaugment", augment)])
    picture = torch.randint(1, 9, (2, 1, 1, 16, 16)).expand(-1, -1, 4, -1, -1)
    clips = picture.float()
    condition = {"other": clips / 2, "regions": picture[:, 0], "past": clips[:, :, :2] / 4}
    condition["past"] = condition["past"].expand(-1, 3, -1, -1, -1)
    torch.manual_seed(seed)
    judge(clips.expand(-1, 3, -1, -1, -1), condition)
    video, other, labels = inner.shown[:, :3, 2:], inner.shown[:, 3:4, 2:], inner.shown[:, 4:, 2:]
    assert torch.equal(other * 2, video[:, :1])
    assert torch.equal(inner.shown[:, :1, :2] * 4, video[:, :1, :2])
    assert torch.equal(labels.argmax(1), video[:, 0].long())
    assert not torch.equal(video, clips.expand_as(video))


def test_clips_of_one_colour_space_change_colour_alike() -> None:
    augment = REGISTRY.create("augment", "diffaugment", options={"translation": False})
    augment.cutout = False
    clip = torch.rand(4, 3, 2, 8, 8)
    fields = {"same": clip.clone(), "grey": clip[:, :1], "map": torch.randint(3, (4, 2, 8, 8))}
    video, moved = augment.with_fields(clip, fields, torch.tensor(1.0))
    assert torch.equal(moved["same"], video)
    assert torch.equal(moved["grey"], fields["grey"])
    assert torch.equal(moved["map"], fields["map"])
    assert not torch.equal(video, clip)
