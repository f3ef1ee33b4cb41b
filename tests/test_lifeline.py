"""A process whose parent is killed ends, however it was started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from conftest import wait_for

WORKER = """
import os, sys, time
from vidgan_core.lifeline import end_with_parent

def work(*_):
    end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    if sys.argv[1] == "pipe":
        import subprocess
        code = "import worker; worker.work()"
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        time.sleep(600)
    from multiprocessing import get_context
    get_context("spawn").Process(target=work).start()
"""


ASKING = """
import os, subprocess, sys, time
command = [sys.executable, "-m", "vidgan_datasets.probe_worker"]
command += [sys.argv[1], str(os.getpid())]
worker = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
worker.stdin.write(sys.argv[2] + "\\n")
worker.stdin.flush()
print(worker.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["pipe", "multiprocessing"])
def test_a_process_ends_when_its_parent_is_killed(how: str) -> None:
    with open("worker.py", "w") as file:
        file.write(WORKER)
    parent = subprocess.Popen(
        [sys.executable, "worker.py", how], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert parent.stdout
    worker = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not alive(worker))


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_reader_of_videos_ends_with_who_asked_whatever_it_is_at() -> None:
    with open("endless.gif", "wb") as file:  # nothing that says where it ends
        file.truncate(2**36)
    job = {"kind": "video", "path": os.path.abspath("endless.gif"), "pictures": []}
    limits = {"seconds": 1e4, "gigabytes": 2, "megapixels": 17, "frames": 10}
    parent = subprocess.Popen(
        [sys.executable, "-c", ASKING, json.dumps(limits), json.dumps(job)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout
    worker = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not alive(worker))
