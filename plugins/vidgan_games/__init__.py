"""Games: which networks there are, and the phases in which they are trained."""

from collections.abc import Iterator

from vidgan_core import Component, hookimpl


@hookimpl
def vidgan_components() -> Iterator[Component]:
    """Announce the games."""
    yield Component(
        "game",
        "two-player",
        "vidgan_games.two_player:TwoPlayerGame",
        "generator against discriminator (Goodfellow et al. 2014)",
        default=True,
    )
