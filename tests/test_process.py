"""The process of a command: what it loads, its threads and memory, its signals."""

import os
import platform
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.paths import EXAMPLE, REPOSITORY
from vocaltrack import processor, signals

SCRIPTS = ("separate", "evaluate", "prepare_data", "train_clustering", "train_unet")


def test_the_users_settings_of_keras_do_not_reach_the_networks(tmp_path):
    settings = '{"floatx": "bfloat16", "image_data_format": "channels_first", "backend": "torch"}'
    (tmp_path / "keras.json").write_text(settings)
    script = (
        "import os\n"
        "from vocaltrack.commands import _load\n"
        "_load()\n"
        "import keras\n"
        "print(keras.config.backend(), keras.config.floatx(), keras.config.image_data_format())\n"
        "print(os.environ['KERAS_HOME'])\n"
    )
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "foo"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout.split() == ["tensorflow", "float32", "channels_last", str(tmp_path)]


def test_a_program_that_asks_for_numpys_promotion_can_separate():
    script = (
        "import numpy as np, tensorflow as tf\n"
        "tf.experimental.numpy.experimental_enable_numpy_behavior()\n"
        "import vocaltrack\n"
        "song = np.random.default_rng(0).normal(0, 0.1, 16000)\n"
        "print(vocaltrack.Separator('unet').separate(song, 16000).mask.shape)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout == "(126, 128)\n", done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_fast_and_loads_no_tensorflow(script):
    code = (
        "import sys, runpy; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_path({script + '.py'!r}, run_name='__main__')\n"
        "except SystemExit as e: assert e.code == 0\n"
        "assert not {'tensorflow', 'keras', 'numpy', 'librosa'} & set(sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr.decode()
    # Time of the processor, which is the same on a busy machine.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3
    assert b"--" in done.stdout


@pytest.mark.parametrize(("model", "loaded"), [("unet", []), ("dc", ["sklearn"])])
def test_a_separation_loads_only_what_it_uses(tmp_path, model, loaded):
    words = ["separate", "--model", model, f"{EXAMPLE / 'mixture.flac'}", f"{tmp_path / 'v.wav'}"]
    (tmp_path / "jax.py").touch()  # as if it were installed
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from vocaltrack.cli import main\n"
        f"assert main({words + ['--duration', '2', '-q']}) == 0\n"
        "print([name for name in ('jax', 'matplotlib', 'sklearn') if name in sys.modules])\n"
        "import jax, pandas, sklearn"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == f"{loaded}\n" and done.returncode == 0, done.stderr


def test_importing_the_package_loads_no_tensorflow():
    code = "import sys, vocaltrack; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [2, 15, 1])
def test_a_signal_while_tensorflow_loads_ends_the_process_though_a_library_swallows_it(number):
    script = (
        "import os, signal\n"
        "from vocaltrack import signals\n"
        # Who started the tests in the background may have had them ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "[signal.signal(number, signal.SIG_DFL) for number in signals.ENDING]\n"
        "signals.end_cleanly()\n"
        "with signals.at_once():\n"
        "    try:\n"
        f"        os.kill(os.getpid(), {number})\n"
        "        for _ in range(10**6): pass\n"
        "    except BaseException:\n"
        "        pass\n"
        "print('goes on')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, b"", b"")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("first", signals.ALL)
def test_a_signal_while_handlers_come_back_does_not_keep_the_others_away(monkeypatch, first):
    """Ctrl-C at that moment raises where the next one was to be restored."""
    before = {number: signal.getsignal(number) for number in signals.ALL}
    handle = signal.signal

    def restored_and_interrupted(number, handler):
        found = handle(number, handler)
        if number == first and handler == before[number]:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(signal, "signal", restored_and_interrupted)
    with pytest.raises(KeyboardInterrupt), signals.uninterrupted():
        pass
    monkeypatch.undo()
    assert {number: signal.getsignal(number) for number in signals.ALL} == before


@pytest.mark.parametrize("block", [signals.uninterrupted, signals.at_once])
def test_other_threads_than_the_main_one_leave_signals_alone(block):
    """Python allows them no more, and `Separator` may serve several."""

    def handlers():
        with block():
            return [signal.getsignal(number) for number in signals.ALL]

    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(handlers).result()
    assert found == [signal.getsignal(number) for number in signals.ALL]


def test_a_handler_that_is_not_pythons_gives_way_to_the_default(monkeypatch):
    """That of a program in C around it, of which Python knows nothing."""
    before = {number: signal.getsignal(number) for number in signals.ALL}
    try:
        with monkeypatch.context() as patched:
            patched.setattr(signal, "getsignal", lambda number: None)
            with signals.uninterrupted():
                pass
        assert {signal.getsignal(number) for number in signals.ALL} == {signal.SIG_DFL}
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_a_signal_that_nohup_ignores_or_another_program_handles_is_left_to_them(handler):
    before = {number: signal.getsignal(number) for number in signals.ALL}
    try:
        signal.signal(signal.SIGHUP, handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signals.end_cleanly()
        assert signal.getsignal(signal.SIGHUP) is handler
        assert callable(signal.getsignal(signal.SIGTERM))
        with signals.at_once():
            assert (signal.getsignal(signal.SIGHUP) is handler) == (handler is signal.SIG_IGN)
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="counts threads as Linux does")
def test_numpy_keeps_no_threads_of_its_own_beside_tensorflows(tmp_path):
    script = (
        "import os, sys\n"
        "from vocaltrack.cli import main\n"
        "assert main(['separate', 'absent.wav', 'out.wav']) == 2\n"
        "assert 'numpy' in sys.modules and 'tensorflow' not in sys.modules\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    environment["PYTHONPATH"] = str(REPOSITORY)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="is for x86-64")
@pytest.mark.parametrize(("asked", "is_used"), [(None, True), ("0", False)])
def test_tensorflow_computes_with_onednn_unless_told_not_to(tmp_path, asked, is_used):
    script = (
        "import vocaltrack\n"
        "vocaltrack.Separator\n"
        "from tensorflow.python.util import _pywrap_util_port\n"
        "print(_pywrap_util_port.IsMklEnabled())\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= {"PYTHONPATH": str(REPOSITORY)}
    if asked is not None:
        environment["TF_ENABLE_ONEDNN_OPTS"] = asked
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == f"{is_used}\n", done.stderr


@pytest.mark.parametrize(("level", "is_quiet"), [("3", True), ("1", True), ("0", False)])
def test_tensorflows_chatter_is_heard_only_where_the_environment_asks(tmp_path, level, is_quiet):
    script = (
        "import os\n"
        "from vocaltrack.tensorflow_loading import load_tensorflow\n"
        "load_tensorflow()\n"
        "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])\n"
    )
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": level, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == f"{level}\n"
    assert (done.stderr == "") == is_quiet


def test_where_there_is_no_glibc_its_memory_is_left_alone(monkeypatch):
    monkeypatch.setattr(processor.ctypes, "CDLL", lambda name: object())  # it has no mallopt
    processor.save_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
@pytest.mark.parametrize("saved", [False, True])
def test_threads_share_two_heaps(tmp_path, saved):
    script = (
        "import ctypes, os, sys, threading\n"
        "from vocaltrack.processor import save_memory\n"
        f"{'save_memory()' if saved else ''}\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.malloc.restype = ctypes.c_void_p\n"
        "together = threading.Barrier(6)\n"
        "def work():\n"
        "    together.wait()\n"
        "    for _ in range(100):\n"
        "        libc.malloc(ctypes.c_size_t(1000))\n"
        "    together.wait()\n"
        "threads = [threading.Thread(target=work) for _ in range(6)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "libc.fopen.restype = ctypes.c_void_p\n"
        "file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b'w'))\n"
        "libc.malloc_info(0, file)\n"
        "libc.fclose(file)\n"
    )
    path = tmp_path / "heaps.xml"
    subprocess.run([sys.executable, "-c", script, path], check=True)
    heaps = path.read_text().count("<heap nr=")
    assert heaps <= 2 if saved else heaps > 2
