"""A private cluster: what other processes see of it, and what is left afterwards."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from scanner.errors import SetupError
from workers.cluster import ClusterSettings, cluster
from workers.leftovers import CLUSTER_VARIABLE

pytestmark = pytest.mark.ray

INTERRUPTED = """
import itertools, logging, os, signal, sys
from pathlib import Path
from tests.workers.pool_fakes import AWAY, scripted
from workers.actors import PoolPlan, ray_runner

def own_handler(signum, frame): ...
logging.getLogger("workers").addHandler(logging.NullHandler())
signal.signal(signal.SIGTERM, own_handler)
try:
    with ray_runner(AWAY, PoolPlan(workers=2)) as runner:
        same_handler = signal.getsignal(signal.SIGTERM) is own_handler
        print(os.environ["RAY_AUTH_TOKEN_PATH"], same_handler, flush=True)
        turns = (
            scripted(f"s{n}", worker_dies=[0] if n == 2 else [], marks=Path.cwd())
            for n in itertools.count()
        )
        for number, progress in enumerate(runner.run(turns)):
            if number == 2500:
                print("running", flush=True)
except KeyboardInterrupt:
    print("RAY_AUTH_TOKEN_PATH" in os.environ, flush=True)
    sys.exit(130)
"""


@pytest.mark.usefixtures("ray_cluster")
def test_every_listener_is_on_loopback() -> None:
    me = psutil.Process()
    listening = [
        connection.laddr.ip
        for process in (me, *me.children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert len(listening) >= 3
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


@pytest.mark.usefixtures("ray_cluster")
def test_only_this_user_can_read_the_token() -> None:
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])

    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700


@pytest.mark.fault
def test_ctrl_c_ends_everything_and_ray_prints_nothing_even_after_a_worker_died(
    tmp_path: Path,
) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "PYTHONPATH": path,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    token, same_sigterm = process.stdout.readline().split()
    assert process.stdout.readline() == "running\n"

    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (130, "False\n", "")
    assert same_sigterm == "True"
    assert not Path(token).parent.exists()
    assert processes_of(Path(token).parent) == []


def processes_of(folder: Path) -> list[str]:
    """Return the names of processes that belong to the cluster of this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(CLUSTER_VARIABLE) == str(folder) or str(folder) in " ".join(
                process.cmdline()
            ):
                found.append(process.name())
        except psutil.Error:
            continue
    return found


def test_a_call_without_a_cluster_starts_none() -> None:
    code = (
        "import os; from workers.cluster import QUIET; os.environ.update(QUIET); import ray\n"
        "try: ray.put(1)\n"
        "except Exception: print(ray.is_initialized())"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stdout == "False\n"


def test_a_cluster_that_does_not_answer_is_an_error_at_once() -> None:
    with (
        pytest.raises(SetupError, match=r"no Ray cluster answers at .* Connection refused"),
        cluster(ClusterSettings(cpus=1, address="127.0.0.1:1")),
    ):
        pass
