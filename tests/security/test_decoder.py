"""What code that an image brings into a decoder can reach: no network, no secret, no file of ours, no other process."""

import os

import pytest
from PIL import Image

from benchmarks.odd_images import encoded, valid
from pipeline.core.confinement import FILE_ACCESS, NETWORK_ACCESS
from pipeline.core.errors import BadImage
from pipeline.core.subprocesses import module_environment, run_module
from pipeline.imaging.decode import ImageLimits
from pipeline.imaging.sandbox import Decoders, Work
from pipeline.imaging.sandbox.task import decoded

WORK = Work(ImageLimits(), 32, "squash")
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AIRFLOW__CORE__FERNET_KEY", "MLFLOW_TRACKING_PASSWORD", "NIGHTCAP_WEBHOOK")

# A library with a hole: the image has it try a line of code, and hears what came of it.
HOLE = """
import ctypes, os, resource, socket, subprocess
from PIL import Image
libc = ctypes.CDLL(None, use_errno=True)
opened = Image.open
def open_(file, *args, **kwargs):
    if b"#try " not in file.getvalue(): return opened(file, *args, **kwargs)
    code = file.getvalue().rpartition(b"#try ")[2].decode()
    try: result = repr(eval(code))
    except BaseException as error: result = f"refused: {error}"
    raise ValueError(result[:300])
Image.open = open_
"""


IMAGE = encoded(Image.new("RGB", (40, 40)), "PNG")


@pytest.fixture(scope="module")
def decoders(tmp_path_factory):
    """One decoder whose library has the hole."""
    folder = tmp_path_factory.mktemp("hole")
    (folder / "sitecustomize.py").write_text(HOLE)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", str(folder))
        for name in SECRETS:
            monkeypatch.setenv(name, "canary-3f9a")
        with Decoders(WORK, 1) as decoders:
            missing = {FILE_ACCESS, NETWORK_ACCESS} - set(decoders.protections())
            if missing:
                pytest.skip(f"this kernel has no protection of {missing}")
            yield decoders


@pytest.fixture(scope="module")
def attempt(decoders):
    """A function that evaluates code in the decoder, and returns the result as text."""

    def attempt(code):
        with pytest.raises(BadImage) as caught:
            decoders.decode(IMAGE + b"#try " + code.encode())
        return str(caught.value).partition("cannot be decoded: ")[2]

    assert attempt("1 + 1") == "2"
    return attempt


@pytest.mark.parametrize(
    "code",
    [
        "socket.create_connection(('127.0.0.1', 80), 1)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "socket.getaddrinfo('example.org', 80)",
        "subprocess.run(['true'])",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.kill(os.getppid(), 0)",
        "os.pidfd_open(os.getppid())",
        "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
        "os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0))",
        "os.sched_setaffinity(os.getppid(), {0})",
        "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "open('/etc/passwd').read()",
        "os.listdir('/')",
        "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
        "open('/proc/self/environ', 'rb').read()",
        "open(f'/proc/{os.getppid()}/mem', 'rb')",
    ],
)
def test_ways_out_are_closed(attempt, code):
    assert attempt(code).startswith("refused: "), code


def test_no_system_call_leads_around_libc(attempt):
    for name, number in (
        ("io_uring_setup", 425),
        ("ptrace", 101),
        ("x32 socket", 0x40000000 + 41),
        ("tgkill", 234),
        ("shmget", 29),
    ):
        if os.uname().machine == "x86_64":
            assert attempt(f"(libc.syscall({number}, 1, 1, 0), ctypes.get_errno())") == "(-1, 1)", name
    assert attempt("(libc.syscall(435, 0, 0), ctypes.get_errno())") == "(-1, 38)"  # clone3


def test_its_environment_holds_no_secret(attempt):
    names = attempt("' '.join(os.environ)")
    assert "PATH" in names
    assert not [name for name in SECRETS if name in names]
    assert attempt("'canary-3f9a' in str(os.environ)") == "False"


def test_it_writes_nowhere(attempt, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("whole")
    before = kept.stat()
    for code in (
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"open({str(kept)!r}, 'a')",
        f"os.truncate({str(kept)!r}, 0)",
        f"os.remove({str(kept)!r})",
        f"os.rename({str(kept)!r}, {str(tmp_path / 'new')!r})",
        f"os.mkdir({str(tmp_path / 'new')!r})",
        f"os.symlink('/', {str(tmp_path / 'new')!r})",
        f"os.link({str(kept)!r}, {str(tmp_path / 'new')!r})",
        f"os.chmod({str(kept)!r}, 0o666)",
        f"os.chown({str(kept)!r}, os.getuid(), os.getgid())",
        f"os.lchown({str(kept)!r}, os.getuid(), os.getgid())",
        f"os.utime({str(kept)!r}, (0, 0))",
        f"os.utime({str(kept)!r}, ns=(0, 0), follow_symlinks=False)",
        f"os.setxattr({str(kept)!r}, 'user.a', b'b')",
        f"os.removexattr({str(kept)!r}, 'user.a')",
        "open('/dev/shm/nightcap-test', 'w')",
        "open(__import__('pipeline').__file__, 'a')",
    ):
        assert attempt(code).startswith("refused: "), code
    assert list(tmp_path.iterdir()) == [kept]
    assert kept.read_text() == "whole"
    assert (kept.stat().st_mode, kept.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_images_of_all_kinds_are_read_as_outside():
    """Nothing that a rare format needs is refused: the pixels are those of a process with all its rights."""
    with Decoders(WORK, 1) as decoders:
        for name, data in valid().items():
            assert (decoders.decode(data).pixels == decoded(data, WORK).pixels).all(), name


@pytest.mark.parametrize(
    "answer",
    [
        '{"reason": "x"}',
        '{"reason": ["x"], "message": []}',
        '{"size": [40, 40], "flags": null}',
        '{"size": [40, 40], "flags": ["evil"]}',
        '{"size": [40, 40], "flags": [{}]}',
        '{"size": 1, "flags": []}',
        '{"size": ["40", 40], "flags": []}',
        '{"size": [Infinity, -5], "flags": []}',
        '{"size": [true, 40], "flags": []}',
        '{"flags": []}',
        "[" * 9000,
        "nonsense",
    ],
)
def test_a_decoder_whose_answer_breaks_the_rules_is_replaced(decoders, attempt, answer):
    """Neither the image nor the shard pays for it."""
    lie = f"lambda answer, dumps=json.dumps: {answer!r} if 'size' in answer else dumps(answer)"
    attempt(f"setattr(json := __import__('json'), 'dumps', {lie})")
    assert decoders.decode(IMAGE).flags == ("blank", "dark")


HIDING = """
import ctypes, json, os
from pipeline.core.confinement import hide

def is_read_by_a_child():
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:
        os._exit(not open(f"/proc/{os.getppid()}/environ", "rb").read())
    except OSError:
        os._exit(1)

if os.getuid() == 0:  # which may read everything
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
before = is_read_by_a_child()
hide()
print(json.dumps({"before": before, "after": is_read_by_a_child()}))
"""


def test_a_process_hides_from_others_of_its_user(tmp_path):
    """Where a child is not confined, as an external captioner, its parent's environment stays closed to it."""
    (tmp_path / "hiding.py").write_text(HIDING)
    environment = module_environment() | {"PYTHONPATH": f"{tmp_path}:{module_environment()['PYTHONPATH']}"}
    answer = run_module("hiding", env=environment, timeout_s=60, folder=tmp_path)
    assert answer == {"before": True, "after": False}
