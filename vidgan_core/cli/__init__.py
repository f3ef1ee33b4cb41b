"""The `vidgan` command: one small module per command, imported when it is used.

Those of plugins, in-tree ones included, are found by their entry points: see
`vidgan_core.plugins.commands`.

Results go to stdout, everything else to stderr; `vidgan_core.errors.Exit` has the exit codes.
"""

from __future__ import annotations

import os
import sys
from functools import cached_property
from importlib import import_module

import click

from vidgan_core.cli.shared import NO_PLUGINS, no_plugins
from vidgan_core.errors import (
    ConfigError,
    Exit,
    UsageError,
    VidganError,
    did_you_mean,
    explained,
    printable,
)
from vidgan_core.plugins.commands import PluggedCommand, commands
from vidgan_core.streams import safe_streams, to_nowhere
from vidgan_core.training.distributed.env import local_rank, processes
from vidgan_core.version import __version__

# In the order of use. The texts are here so that --help imports none of the modules.
COMMANDS = {
    "run": "Train a GAN on video clips.",
    "sample": "Generate clips with a trained generator.",
}


class Commands(click.Group):
    """Finds each command in the module of its name, or in the plugin that announces it."""

    third_party = True

    @cached_property
    def plugged(self) -> dict[str, PluggedCommand]:
        """The commands of plugins, by the name by which they are used."""
        return commands(COMMANDS, third_party=self.third_party)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look for --no-plugins first: it decides which commands there are."""
        self.third_party = NO_PLUGINS not in args
        vars(self).pop("plugged", None)
        ctx.meta[NO_PLUGINS] = not self.third_party
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name them all."""
        return [*COMMANDS, *self.plugged]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands: ours, then those of other distributions."""
        ours = {name: command.help for name, command in self.plugged.items() if command.ours}
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items(), *ours.items()])
        others = {
            name: f"{command.help} ({command.distribution} {command.version})"
            for name, command in self.plugged.items()
            if not command.ours
        }
        if others:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(list(others.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name in self.plugged:
            plugged: click.Command = self.plugged[cmd_name].load()
            return plugged
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"vidgan_core.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Answer a misspelt command with the nearest one, one that several have with all."""
        name, known = args[0], self.list_commands(ctx)
        if name not in known and not name.startswith("-"):
            claimed = [full for full, command in self.plugged.items() if command.name == name]
            hint = f"say which: {' or '.join(claimed)}" if claimed else did_you_mean(name, known)
            ctx.fail(f"no command named {name!r}; {hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vidgan")
@no_plugins
@click.pass_context
def cli(context: click.Context, no_plugins: bool) -> None:
    """Train GANs that generate video, sample and evaluate them, and extend vidgan by plugins."""
    from vidgan_core.cli.reports import on_stderr

    context.with_resource(on_stderr())


def main() -> None:
    """Run the command line; a user's mistake gets a line and an exit code, not a traceback."""
    with safe_streams():
        try:
            _main()
        except SystemExit as end:
            if not (_several() or _stuck()):
                raise
            # The threads by which processes talk may abort an interpreter that winds itself up,
            # and it would wait for ever for one that reads data which do not come.
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
            os._exit(end.code if isinstance(end.code, int) else Exit.FAILED)


def _several() -> bool:
    """Do several processes train one run, this one among them?"""
    try:
        return processes() > 1
    except UsageError:  # reported already
        return False


def _stuck() -> bool:
    """Is a thread left that reads data and does not end?"""
    prefetch = sys.modules.get("vidgan_core.data.prefetch")
    return bool(prefetch and prefetch.stuck)


def _main() -> None:
    try:
        result = cli(standalone_mode=False)
        if sys.stdout:  # None where it was closed
            sys.stdout.flush()
        sys.exit(result if isinstance(result, int) else Exit.OK)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ConfigError as error:  # the same in every process of a run
        _complain(*map(str, error.problems * (local_rank() == 0)))
        sys.exit(error.code)
    except VidganError as error:
        _complain(str(error))
        sys.exit(error.code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:  # of `vidgan plugins | head`
        to_nowhere(sys.stdout)
        sys.exit(Exit.FAILED)
    except (MemoryError, RecursionError, OverflowError) as error:
        _complain(f"a value is too large for this machine: {type(error).__name__}: {error}")
        sys.exit(Exit.FAILED)
    except (RuntimeError, ValueError) as error:
        if not (explanation := explained(error)):
            raise
        _complain(str(explanation))
        sys.exit(explanation.code)
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(Exit.FAILED)


def _complain(*messages: str) -> None:
    for message in messages:
        click.echo(f"error: {printable(message)}", err=True)  # a line each, whatever they quote
