"""The object store as docker-compose.yml starts it: its buckets, and which of its doors others can reach."""

import os
import re
import subprocess
import sys

import grpc
import psutil
import pytest

from tests.infra.compose_file import CHECKOUT
from tests.seaweed import Store, find_weed, free_ports
from tests.until import until

# Of the gRPC port: give out an account, and delete an object.
CALLS = (
    "/messaging_pb.SeaweedS3IamCache/PutIdentity",
    "/s3_lifecycle_pb.SeaweedS3LifecycleInternal/LifecycleDelete",
)


@pytest.fixture
def started(tmp_path_factory, whole, services):
    """The process and its port by the file's, at the addresses that the file says."""
    folder, service = tmp_path_factory.mktemp("s3"), services["s3"]
    (folder / "s3.json").write_text(whole["configs"]["s3"]["content"])
    text = "\n".join(service["command"]).replace("/data", str(folder)).replace("/etc/seaweedfs", str(folder))
    named = sorted(set(re.findall(r"[pP]ort(?:\.grpc)?=(\d{4,})", text)))
    ports = dict(zip(named, free_ports(len(named)), strict=True))
    command = re.sub(r"(?<=[tc]=)\d{4,}", lambda found: str(ports[found[0]]), text).splitlines()
    with (folder / "log").open("w") as log:
        environment = {**os.environ, **service["environment"]}
        process = subprocess.Popen([find_weed(), *command], env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(process, ports["8333"], ports["18333"])
        yield process, ports
    finally:
        process.kill()
        process.wait()


def wait_for(process, *ports):
    def listens():
        return set(ports) <= {each.laddr.port for each in listening(process)}

    until(listens, 60, f"nobody listened on {', '.join(map(str, ports))}", process=process, pause=0.2)


def listening(process):
    held = psutil.Process(process.pid).net_connections("tcp")
    return [each for each in held if each.status == psutil.CONN_LISTEN]


def test_nobody_else_reaches_its_inner_doors(started):
    process, ports = started
    loopback = {"127.0.0.1", "::1"}
    open_to_all = {each.laddr.port for each in listening(process) if each.laddr.ip not in loopback}
    assert open_to_all == {ports["8333"], ports["18333"], ports["9327"]}
    with grpc.insecure_channel(f"127.0.0.1:{ports['18333']}") as channel:
        for path in CALLS:
            with pytest.raises(grpc.RpcError) as refused:
                channel.unary_unary(path)(b"", timeout=30)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_buckets_are_made_once_and_only_by_the_owner(started, services):
    _, ports = started
    address = f"http://127.0.0.1:{ports['8333']}"

    def make(account):
        environment = {**os.environ, **services[account]["environment"], "AWS_ENDPOINT_URL": address}
        command = [sys.executable, CHECKOUT / "infra/s3_buckets.py", *services["s3-init"]["command"][1:]]
        return subprocess.run(command, check=False, env=environment, capture_output=True, text=True)

    refused = make("worker-nights")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"no buckets at {address}: An error occurred (AccessDenied)")
    for _ in range(2):
        assert make("s3-init").returncode == 0
    told = services["s3-init"]["environment"]
    store = Store(address, told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"])
    assert [each["Name"] for each in store.client().list_buckets()["Buckets"]] == ["mlflow", "pictures", "promotions"]
