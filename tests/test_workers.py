"""Worker processes end with the one that they work for, whatever ends it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.paths import REPOSITORY
from vocaltrack.workers import process_pool

SCRIPT = """
import os, signal, time
from vocaltrack.workers import process_pool

def sleep(seconds):
    print(os.getpid(), flush=True)
    time.sleep(seconds)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # nohup ignores it
    with process_pool(2) as processes:
        futures = [processes.submit(sleep, 300) for _ in range(4)]
        for future in futures:
            future.result()
"""


def test_results_come_back():
    with process_pool(2) as processes:
        futures = [processes.submit(divmod, number, 3) for number in range(20)]
    assert [future.result() for future in futures] == [divmod(number, 3) for number in range(20)]


def test_an_error_ends_the_others_at_once():
    start = time.monotonic()
    with pytest.raises(ZeroDivisionError), process_pool(2) as processes:
        waiting = processes.submit(time.sleep, 300)
        processes.submit(divmod, 1, 0).result()
    assert waiting.done() and time.monotonic() - start < 60


def is_running(process):
    """Whether there is such a process, and it is not one that merely awaits its burial."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(
    not os.path.exists("/proc/self/stat"), reason="looks for processes as Linux does"
)
@pytest.mark.parametrize("signals", (["INT"], ["INT", "INT"], ["KILL"]))
def test_workers_end_with_a_process_that_is_interrupted_or_killed(tmp_path, signals):
    """Two Ctrl-Cs in a row left it waiting for ever, a kill its workers working on."""
    (tmp_path / "work.py").write_text(SCRIPT)
    started = subprocess.Popen(
        [sys.executable, tmp_path / "work.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
    )
    with started as process:
        workers = [int(process.stdout.readline()) for _ in range(2)]
        for name in signals:  # as a terminal, to all processes of the group
            number = getattr(signal, f"SIG{name}")
            process.send_signal(number) if name == "KILL" else os.killpg(process.pid, number)
            time.sleep(0.05)
        process.wait(timeout=30)
        deadline = time.monotonic() + 30
        while any(map(is_running, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_running, workers))
        told = process.stderr.read()
        assert told.count("Traceback") <= 2 * (signals[0] == "INT")
        assert "Process SpawnProcess" not in told
