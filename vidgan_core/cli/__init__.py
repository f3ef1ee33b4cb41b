"""The `vidgan` command: one small module a command, imported when it is named.

Results go to stdout, everything else to stderr; `vidgan_core.errors.Exit` has the exit codes.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from vidgan_core import __version__
from vidgan_core.errors import (
    ConfigError,
    Exit,
    UsageError,
    VidganError,
    did_you_mean,
    explained,
    printable,
)
from vidgan_core.streams import safe_streams, to_nowhere
from vidgan_core.training.distributed.env import local_rank, processes

# In the order in which one needs them, so that --help needs to import none of them.
COMMANDS = {
    "run": "Train a GAN on clips.",
    "sample": "Make clips with a trained generator.",
    "eval": "Measure generated clips against real ones.",
    "compare": "Put runs side by side, as a table and a page.",
    "data": "Check your own videos, and see them as training does.",
    "plugins": "List what there is to train with, and from where.",
    "inspect": "Say what a run, checkpoint, video or picture is.",
    "doctor": "Check whether this machine is ready.",
}


class Commands(click.Group):
    """Finds each command in the module of its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name them all."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"vidgan_core.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Answer a misspelt command with the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command named {args[0]!r}; {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vidgan")
def cli() -> None:
    """Train GANs that generate video, look at what they make, and extend them by plugins."""


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
    except UsageError:  # which was said already
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
