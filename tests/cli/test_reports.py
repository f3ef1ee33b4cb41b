"""The core logs; the command line prints what it logs."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest

import vidgan_core
from vidgan_core.cli.reports import on_stderr

CORE = Path(vidgan_core.__file__).parent
WRITERS = {"cli", "templates", "streams.py"}  # the last is what `cli` and callbacks write through
QUIET = [p for p in CORE.rglob("*.py") if not WRITERS & {*p.relative_to(CORE).parts}]


@pytest.mark.parametrize("path", QUIET, ids=lambda p: str(p.relative_to(CORE)))
def test_only_the_command_line_writes_to_a_terminal(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    calls = [ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)]
    assert not {"print", "click.echo", "click.secho", "sys.stderr.write", "sys.stdout.write"} & {
        *calls
    }


def test_what_is_logged_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("vidgan.somewhere")
    level, handlers = logging.getLogger("vidgan").level, list(logging.getLogger("vidgan").handlers)
    with on_stderr():
        log.warning("%s is damaged", "a\x1b[2Jb\nc")
        log.info("as it is")
        log.error("bad")
        log.debug("nothing")
        logging.getLogger("another").warning("not vidgan's")
    log.warning("afterwards")
    out, err = capsys.readouterr()
    assert not out
    assert err.splitlines() == ["warning: a\\x1b[2Jb\\nc is damaged", "as it is", "error: bad"]
    assert logging.getLogger("vidgan").level == level
    assert logging.getLogger("vidgan").handlers == handlers
