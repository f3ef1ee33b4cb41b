"""A disk that fails in the middle of a save, and the order in which a save reaches the disk."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
import torch

from vidgan_core.errors import CheckpointError
from vidgan_core.runs import atomic_files as durable
from vidgan_core.runs import checkpoint

FOLDER = Path("checkpoints")
MODEL = {"a": torch.arange(1000.0), "b": torch.ones(3, 5)}
TRAIN = {f"w{i}": torch.full((500,), float(i)) for i in range(4)}
ERRORS = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)


def save(step: int, folder: Path = FOLDER) -> Path:
    return checkpoint.save(folder, step, model=MODEL, train=TRAIN, state={"step": step})


def assert_intact(message: str, folder: Path = FOLDER) -> None:
    """The save of step 2 has failed with a message that helps, and step 1 is as it was."""
    assert f"{folder}/step-00000002" in message
    size = sum(f.stat().st_size for f in checkpoint.load(folder / "step-00000001").path.iterdir())
    needed = re.search(r"it takes (\d+) bytes, and \d+ are free", message)
    assert needed
    assert abs(int(needed[1]) - size) < 1000  # the manifest is not counted
    assert [p.name for p in folder.iterdir()] == ["step-00000001"]
    newest = checkpoint.newest(folder)
    assert newest
    assert torch.equal(newest.model["a"], MODEL["a"])


@contextmanager
def failing(at: int, number: int) -> Iterator[list[str]]:
    """Let the call with this number of those that reach the disk fail; yield the calls made."""
    calls: list[str] = []
    numbers = count()

    def wrap(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def failing_call(*arguments: object, **named: object) -> object:
            calls.append(name)
            if next(numbers) == at:
                raise OSError(number, os.strerror(number), str(arguments[0]))
            return call(*arguments, **named)

        return failing_call

    with pytest.MonkeyPatch.context() as patch:
        for where, name in ((os, "mkdir"), (os, "open"), (os, "fsync"), (os, "rename")):
            patch.setattr(where, name, wrap(name, getattr(where, name)))
        yield calls


def points() -> int:
    """How many calls of a save reach the disk."""
    FOLDER.mkdir()
    with failing(-1, 0) as calls:
        save(1)
    return len(calls)


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_a_call_that_fails_costs_nothing_but_the_new_checkpoint(
    number: int, record_property: Callable[[str, object], None]
) -> None:
    total = points()
    # The last fsync is the parent's: the checkpoint is there by then, if not yet for certain.
    for at in range(total - 2):
        with (
            failing(at, number) as calls,
            pytest.raises(CheckpointError, match=os.strerror(number)) as error,
        ):
            save(2)
        assert len(calls) > at, "the fault has missed"
        assert_intact(str(error.value))
    name = errno.errorcode[number]
    record_property(name, f"{total - 2} of {total - 2} failing calls left the checkpoint before")


def test_a_parent_folder_that_can_not_be_flushed_is_an_error_and_nothing_is_lost() -> None:
    with failing(points() - 1, errno.EIO), pytest.raises(CheckpointError, match="Input/output"):
        save(2)
    assert [checkpoint.load(p).state["step"] for p in checkpoint.available(FOLDER)] == [1, 2]


def test_a_file_size_limit_at_any_byte(record_property: Callable[[str, object], None]) -> None:
    """A real EFBIG, in the first file or the last, at its first byte or in the middle."""
    path = save(1)
    largest = max(f.stat().st_size for f in path.iterdir())
    limits = [largest * part // 40 for part in range(40)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    for limit in limits:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            with pytest.raises(CheckpointError, match="File too large") as error:
                save(2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert_intact(str(error.value))
    record_property("ulimit -f", f"{len(limits)} of {len(limits)} limits left the one before")


@pytest.fixture
def disk() -> Iterator[Path]:
    """A disk of 64 KB, where mounting one is allowed."""
    path = Path("disk")
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_is_full_at_any_page(
    disk: Path, record_property: Callable[[str, object], None]
) -> None:
    """A real ENOSPC: the ballast leaves room for fewer and fewer of the files."""
    folder = disk / "checkpoints"
    save(1, folder)
    failed = 0
    for pages in range(12):
        left = shutil.disk_usage(disk).free - 4096 * pages
        (disk / "ballast").write_bytes(bytes(max(0, left)))
        try:
            save(2, folder)
        except CheckpointError as error:
            failed += 1
            assert "No space left on device" in str(error)
            assert_intact(str(error), folder)
        else:
            shutil.rmtree(folder / "step-00000002")
        (disk / "ballast").unlink()
    assert failed >= 4, "the disk was not full"
    record_property("full disk", f"{failed} of {failed} saves on a full tmpfs left the one before")


def assert_order(events: list[tuple[str, str]]) -> None:
    """Every file and the folder are flushed before the rename, the parent after it."""
    names = [*checkpoint.FILES, checkpoint.MANIFEST]
    rename = next(i for i, (call, _) in enumerate(events) if call == "rename")
    for name in names:
        places = [i for i, (_, path) in enumerate(events) if path.endswith(f"/{name}")]
        assert places, name
        assert events[places[-1]][0] == "fsync", name
        assert "write" in {events[i][0] for i in places}
        assert places[-1] < rename
    before, after = events[rename - 1], events[rename + 1]
    assert before[0] == after[0] == "fsync"
    assert Path(before[1]).name.startswith(".tmp-step-")
    assert Path(after[1]).name == FOLDER.name
    assert not [call for call, _ in events[rename + 1 :] if call == "write"]


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_the_order_of_system_calls() -> None:
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    program = f"import sys; sys.path[:0] = {folders!r}; import test_disk; test_disk.save(1)"
    calls = "trace=write,fsync,rename,renameat,renameat2"
    command = ["strace", "-f", "--seccomp-bpf", "-y", "-e", calls, "-o", "trace"]
    done = subprocess.run([*command, sys.executable, "-c", program], capture_output=True, text=True)
    if "not permitted" in done.stderr:
        pytest.skip("tracing is not allowed here")
    assert done.returncode == 0, done.stderr
    line = re.compile(r"\d+ +(write|fsync|rename)\w*\((?:AT_FDCWD[^,]*, )?(?:\d+<)?\"?([^>,\"]*)")
    found = (line.match(text) for text in Path("trace").read_text().splitlines())
    assert_order([(m[1], m[2]) for m in found if m and f"{FOLDER.name}" in m[2]])


def test_the_order_of_the_calls_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same where tracing is not allowed; a flush that is left out is noticed."""
    events: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if os.path.isfile(path):
            assert os.fstat(descriptor).st_size > 0
            events.append(("write", path))
        events.append(("fsync", path))
        fsync(descriptor)

    def note_rename(source: Path, target: Path) -> None:
        events.append(("rename", str(source)))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    save(1)
    assert_order(events)
    monkeypatch.setattr(durable.os, "fsync", lambda _: None)
    events.clear()
    save(2)
    with pytest.raises(AssertionError):
        assert_order(events)
