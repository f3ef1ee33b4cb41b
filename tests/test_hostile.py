"""Model files from strangers: refused before they cost anything, and nothing in them runs."""

from __future__ import annotations

import ast
import hashlib
import json
import math
import os
import resource
import shutil
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import REGISTRY, small

import vidgan_core
from vidgan_core import checkpoint
from vidgan_core.checkpoint import MANIFEST, MODEL, STATE
from vidgan_core.errors import CheckpointError, ComponentError, VidganError
from vidgan_core.run import Run
from vidgan_core.rundir import RunDir
from vidgan_core.sampling import Sampler

SOURCES = [
    *Path(vidgan_core.__file__).parent.rglob("*.py"),
    *(Path(vidgan_core.__file__).parents[1] / "plugins").rglob("*.py"),
]
Header = dict[str, Any]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as a stranger might publish it: without what only training needs."""
    config = small(
        "conv3d",
        *("minimax", "data.frames=4", "data.size=16", "generator.width=1"),
        *("discriminator.width=1", "steps=1"),
    )
    run = Run(config, REGISTRY)
    run.begin(RunDir.create(tmp_path_factory.mktemp("honest") / "run", config))
    run.fit()
    path = checkpoint.available(run.folder.checkpoints)[0]
    (path / checkpoint.TRAIN).unlink()
    return path


class Forge:
    """A copy of the checkpoint to change at will, with a manifest that vouches for the result."""

    def __init__(self, honest: Path) -> None:
        self.path = Path(shutil.copytree(honest, "forged"))
        data = (self.path / MODEL).read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        self.header: Header = json.loads(data[8 : 8 + length])
        self.body = data[8 + length :]
        self.state = json.loads((self.path / STATE).read_bytes())

    def model(self, header: bytes | None = None, length: int | None = None) -> None:
        text = json.dumps(self.header).encode() if header is None else header
        size = struct.pack("<Q", len(text) if length is None else length)
        (self.path / MODEL).write_bytes(size + text + self.body)

    def rewrite(self, text: bytes | None = None) -> None:
        data = json.dumps(self.state).encode() if text is None else text
        (self.path / STATE).write_bytes(data)

    def seal(self) -> None:
        manifest: dict[str, Any] = {}
        for name in (MODEL, STATE):
            file = self.path / name
            if file.is_file():
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                manifest[name] = {"size": file.stat().st_size, "sha256": digest}
        text = json.dumps(manifest, indent=1, sort_keys=True).encode()
        manifest[MANIFEST] = {"sha256": hashlib.sha256(text).hexdigest()}
        (self.path / MANIFEST).write_text(json.dumps(manifest))


FIRST = "layers.0.weight"


def renamed(name: str) -> Callable[[Forge], None]:
    def forge(it: Forge) -> None:
        it.header[name] = it.header.pop(FIRST)
        it.model()

    return forge


def declared(**changes: Any) -> Callable[[Forge], None]:
    def forge(it: Forge) -> None:
        it.header[FIRST] |= changes
        it.model()

    return forge


def said(*path: str, value: Any) -> Callable[[Forge], None]:
    def forge(it: Forge) -> None:
        table = it.state
        for key in path[:-1]:
            table = table[key]
        table[path[-1]] = value
        it.rewrite()

    return forge


def body(change: Callable[[bytes], bytes]) -> Callable[[Forge], None]:
    def forge(it: Forge) -> None:
        it.body = change(it.body)
        it.model()

    return forge


def raw_state(text: str) -> Callable[[Forge], None]:
    return lambda it: it.rewrite(text.encode())


def many_tensors(it: Forge) -> None:
    it.header = {
        f"w{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(20_001)
    }
    it.body = b""
    it.model()


def larger_than_memory(it: Forge) -> None:
    """A sparse file of a terabyte whose header is right."""
    size = 1 << 40
    it.header = {"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    it.body = b""
    it.model()
    length = (it.path / MODEL).stat().st_size
    os.truncate(it.path / MODEL, length + size)


def not_a_number(it: Forge) -> None:
    begin = it.header[FIRST]["data_offsets"][0]
    it.body = it.body[:begin] + struct.pack("<f", math.nan) + it.body[begin + 4 :]
    it.model()


def a_pipe(it: Forge) -> None:
    (it.path / MODEL).unlink()
    os.mkfifo(it.path / MODEL)


def a_device(it: Forge) -> None:
    (it.path / STATE).unlink()
    (it.path / STATE).symlink_to("/dev/zero")


DEEP = "[" * 200_000 + "]" * 200_000
WIDE = json.dumps({"x": [[] for _ in range(500_000)]})
HOSTILE: dict[str, tuple[Callable[[Forge], None], str]] = {
    "header over 16 MB": (lambda it: it.model(b"{" + b" " * (17 << 20) + b"}"), "header is larger"),
    "header of 2**60 bytes": (lambda it: it.model(length=2**60), "header is larger"),
    "header past the end": (lambda it: it.model(length=10**6), "ends within its header"),
    "empty file": (lambda it: (it.path / MODEL).write_bytes(b"") and None, "ends within"),
    "no JSON": (lambda it: it.model(b"\x80\x04cos\nsystem\n(S'true'\ntR."), "invalid header"),
    "a list": (lambda it: it.model(b"[]"), "not hold an object"),
    "deep header": (lambda it: it.model(DEEP.encode()), "values|deep|recursion"),
    "wide header": (lambda it: it.model(WIDE.encode()), "more than 400,000 values"),
    "many tensors": (many_tensors, "more than 20,000 tensors"),
    "repeated key": (
        lambda it: it.model(json.dumps(it.header)[:-1].encode() + b', "layers.0.weight": {}}'),
        "repeated",
    ),
    "path as a name": (renamed("../../etc/passwd"), "must not hold '..'"),
    "escape in a name": (renamed("layers\x1b[2J"), "letters, digits"),
    "blank in a name": (renamed("layers 0"), "letters, digits"),
    "unknown type": (declared(dtype="PICKLE"), "unknown type"),
    "negative shape": (declared(shape=[-1, 8]), "impossible shape"),
    "huge shape": (declared(shape=[2**40, 2**40]), "doesn't fit its bytes"),
    "wrong offsets": (declared(data_offsets=[4, 8]), "doesn't fit its bytes"),
    "bytes that are not there": (body(lambda b: b[:-4]), "declares"),
    "bytes too many": (body(lambda b: b + b"x"), "declares"),
    "another name": (renamed("other"), "should be absent"),
    "larger than memory": (larger_than_memory, "bytes of memory"),
    "weights that are NaN": (not_a_number, "not finite"),
    "a pipe": (a_pipe, "not a regular file"),
    "a device": (a_device, "not a regular file"),
    "deep state": (raw_state('{"config": ' + "[" * 50 + "]" * 50 + "}"), "nested more than 32"),
    "state with NaN": (raw_state('{"step": NaN}'), "not finite"),
    "state with infinity": (raw_state('{"step": 1e999}'), "not finite"),
    "option out of bounds": (said("config", "generator", "width", value=0), "greater than"),
    "unknown option": (said("config", "generator", "exec", value="x"), "not permitted"),
    "another width": (said("config", "generator", "width", value=10**6), "tensors differ"),
    "width of 10**30": (said("config", "generator", "width", value=10**30), "does not fit"),
    "clip of a petabyte": (said("spec", "frames", value=2**40), "bytes of memory"),
    "no configuration": (said("config", value={}), "Field required"),
    "step that is a path": (said("step", value="/etc/passwd"), "step"),
}  # fmt: skip


class Audit:
    """What the interpreter does between `start` and `stop`; audit hooks can't be removed."""

    def __init__(self) -> None:
        self.on = False
        self.events: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
        kind = event.partition(".")[0]
        if self.on and (writes or kind in ("import", "exec", "socket", "subprocess")):
            self.events.append(f"{event} {arguments!r:.200}")


@pytest.fixture(scope="module")
def audit(honest: Path) -> Audit:
    Sampler.load(honest, device="cpu", registry=REGISTRY)  # imports what an honest file needs
    return Audit()


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_at_once(
    case: str, honest: Path, audit: Audit, record_property: Callable[[str, object], None]
) -> None:
    forge, message = HOSTILE[case]
    it = Forge(honest)
    forge(it)
    if case == "larger than memory":  # nobody would hash a terabyte
        text = json.loads((it.path / MANIFEST).read_text())
        text[MODEL]["size"] = (it.path / MODEL).stat().st_size
        del text[MANIFEST]
        seal = hashlib.sha256(json.dumps(text, indent=1, sort_keys=True).encode()).hexdigest()
        (it.path / MANIFEST).write_text(json.dumps(text | {MANIFEST: {"sha256": seal}}))
    else:
        it.seal()
    before, peak = resident(), Peak()
    started = time.process_time()
    audit.events.clear()
    with peak:
        audit.on = True
        try:
            with pytest.raises(VidganError, match=message) as error:
                Sampler.load(it.path, device="cpu", registry=REGISTRY)
        finally:
            audit.on = False
    assert time.process_time() - started < 2
    assert peak.bytes - before < 200 << 20
    assert not audit.events
    assert str(error.value).isprintable()
    record_property("hostile", f"{case}: refused")


def test_the_honest_file_is_read_and_forging_alone_changes_nothing(
    honest: Path, audit: Audit
) -> None:
    """The refusals are not the forge's own doing."""
    it = Forge(honest)
    it.model()
    it.rewrite()
    it.seal()
    audit.events.clear()
    audit.on = True
    sampler = Sampler.load(it.path, device="cpu", registry=REGISTRY)
    audit.on = False
    assert sampler.sample(1).shape == (1, 3, 4, 16, 16)
    assert not audit.events


def test_a_missing_component_is_named_with_where_it_was_from(honest: Path) -> None:
    it = Forge(honest)
    it.state["config"]["generator"]["name"] = "dream\x1b[2J"
    it.state["components"]["generator"] |= {"distribution": "vidgan-dream", "version": "1.4"}
    it.rewrite()
    it.seal()
    with pytest.raises(ComponentError) as error:
        Sampler.load(it.path, registry=REGISTRY)
    message = str(error.value)
    assert "needs the generator 'dream\\x1b[2J', which is not installed" in message
    assert "it was from the distribution 'vidgan-dream' '1.4'" in message


def test_a_manifest_that_is_not_one_is_refused(honest: Path) -> None:
    for text in ("[]", "{}", '{"model.safetensors": 3}', "x" * 100, DEEP):
        shutil.rmtree("forged", ignore_errors=True)
        it = Forge(honest)
        (it.path / MANIFEST).write_text(text)
        with pytest.raises(CheckpointError, match=MANIFEST):
            checkpoint.load(it.path)


def resident() -> int:
    """How many bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Peak:
    """The most memory that the process held within the block."""

    bytes = 0

    def __enter__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # starts VmHWM anew

    def __exit__(self, *_: object) -> None:
        status = Path("/proc/self/status").read_text()
        line = next(text for text in status.splitlines() if text.startswith("VmHWM"))
        self.bytes = int(line.split()[1]) * 1024


FORBIDDEN = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "runpy"}
IMPORTERS = {"vidgan_core/plugins.py", "vidgan_core/cli/__init__.py"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_no_source_reads_a_pickle_or_imports_by_name(path: Path) -> None:
    root = Path(vidgan_core.__file__).parents[1]
    assert not [*offences(path.read_text(), str(path.relative_to(root)))]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "import torch\ntorch.load(path)",
        "import torch as t\nt.load(path, weights_only=False)",
        "from torch import load",
        "torch.jit.load(path)",
        "numpy.load(path)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "importlib.import_module(name)",
        "from importlib import import_module",
    ],
)
def test_the_test_of_sources_sees(source: str) -> None:
    assert [*offences(source, "vidgan_core/other.py")]


def offences(source: str, path: str) -> list[str]:
    """What a source does that could run what a file holds."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
        elif isinstance(node, ast.Call):
            names = [called(node)]
        else:
            continue
        found += [name for name in names if forbidden(name, node, path)]
    return found


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def forbidden(name: str, node: ast.AST, path: str) -> bool:
    if name.partition(".")[0] in FORBIDDEN or name in ("eval", "exec", "__import__"):
        return True
    last = name.rpartition(".")[2]
    if last == "import_module":
        return path not in IMPORTERS
    if isinstance(node, ast.ImportFrom):
        return name in ("torch.load", "numpy.load")
    if not (isinstance(node, ast.Call) and last == "load" and name.count(".")):
        return False
    owner = name.rpartition(".")[0]
    settings = {k.arg: ast.unparse(k.value) for k in node.keywords}
    if owner in ("np", "numpy"):
        return settings.get("allow_pickle") != "False"
    if owner.partition(".")[0] in ("torch", "t"):
        return settings.get("weights_only") != "True"
    return False
