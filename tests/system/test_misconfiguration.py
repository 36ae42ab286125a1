"""A key, an address or a parent that is wrong: the session says what to do, and goes on when it is
done."""
import os
import socket
import ssl
import subprocess
import threading

import pytest

from emulator import write_key_file
from host import give_to_server_user, wait_until
from system import PROJECT

BRANCH = "branch-for-revision-"


@pytest.fixture
def key(control):
    """A path for a key file, where the server can reach it."""
    path = os.path.join(control.directory, "key-of-a-test")
    yield path
    if os.path.exists(path):
        os.remove(path)


def system_with_key(memory_system, path):
    return memory_system({"agent_branch.api_key_file": path})


def test_a_wrong_key(memory_system, key):
    write_key_file(key, "wrong")
    memory = system_with_key(memory_system, key)
    memory.create("s")
    memory.error_with("s", "does not accept the API key", "Put a valid key into the file",
                      "agent_branch.api_key_file")
    write_key_file(key, memory.emulator.api_key)
    memory.settle("s", "ready")
    assert memory.session("s")["error"] is None


def test_a_key_that_is_revoked_while_sessions_run(memory_system, key):
    write_key_file(key, "test-key")
    memory = system_with_key(memory_system, key)
    memory.ready("s")
    memory.emulator.config(api_key="rotated")
    memory.emulator.api_key = "rotated"
    memory.rows("SELECT agent_discard('s')")
    memory.error_with("s", "does not accept the API key")
    replacement = key + ".new"
    write_key_file(replacement, "rotated")
    os.rename(replacement, key)
    memory.settle("s", "discarded")


def missing(path):
    assert not os.path.exists(path)


def unreadable(path):
    write_key_file(path, "test-key")
    os.chmod(path, 0)


def too_open(path):
    write_key_file(path, "test-key")
    os.chmod(path, 0o644)


def empty(path):
    write_key_file(path, "")


def folder(path):
    os.mkdir(path)
    give_to_server_user(path)


def pipe(path):
    os.mkfifo(path, 0o600)
    give_to_server_user(path)


@pytest.mark.parametrize("spoil, words", [
    (missing, "No such file"), (unreadable, "Permission denied"), (too_open, "0600"),
    (empty, "It is empty"), (folder, "not a regular file"), (pipe, "not a regular file"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_a_key_file_that_cannot_be_used(memory_system, key, spoil, words):
    spoil(key)
    memory = system_with_key(memory_system, key)
    memory.create("s")
    row = memory.error_with("s", "key file of agent_branch.api_key_file cannot be used", words)
    assert key not in row["error"] + row["hint"]
    assert f'key file "{key}" cannot be used' in memory.cluster.log()
    if os.path.isdir(key):
        os.rmdir(key)
    elif os.path.exists(key):
        os.remove(key)
    write_key_file(key, memory.emulator.api_key)
    memory.settle("s", "ready")


def test_no_key_is_set(memory_system, control):
    memory = system_with_key(memory_system, "")
    memory.create("s")
    memory.error_with("s", "agent_branch.api_key_file is not set", "ALTER SYSTEM SET")
    control.reload({"agent_branch.api_key_file": memory.emulator.key_file})
    memory.settle("s", "ready")


def test_a_key_that_sees_another_project_only(memory):
    memory.register("other-project-1")
    memory.create("s", project="other-project-1")
    memory.error_with("s", "project")
    memory.rows("SELECT agent_discard('s')")
    memory.settle("s", "discarded")


class Silent:
    """Accepts connections, if at all, and never answers."""

    def __init__(self, accepts, context=None):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(16 if accepts else 0)
        self.port = self.socket.getsockname()[1]
        self.held = []
        self.context = context
        if accepts:
            threading.Thread(target=self._accept, daemon=True).start()
        else:
            # With its queue full, it is as a host that drops what is sent to it.
            for _ in range(4):
                held = socket.socket()
                held.setblocking(False)
                held.connect_ex(("127.0.0.1", self.port))
                self.held.append(held)

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                self.held.append(connection)
            except ssl.SSLError:
                continue
            except OSError:
                return

    def close(self):
        self.socket.close()
        for held in self.held:
            held.close()


def goes_on_with(control, memory):
    control.reload({"agent_branch.api_url": memory.emulator.url})
    memory.settle("s", "ready")
    assert memory.session("s")["error"] is None


@pytest.mark.parametrize("accepts", [True, False], ids=["accepts and is silent", "drops"])
def test_a_host_that_does_not_answer(memory_system, control, accepts):
    silent = Silent(accepts)
    try:
        memory = memory_system({"agent_branch.api_url": f"http://127.0.0.1:{silent.port}/api/v2"})
        memory.create("s")
        memory.error_with("s", "answer" if accepts else "", seconds=12)
    finally:
        silent.close()
    goes_on_with(control, memory)


def test_a_host_where_nothing_listens(memory_system, control):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    memory = memory_system({"agent_branch.api_url": f"http://127.0.0.1:{port}/api/v2"})
    memory.create("s")
    memory.error_with("s", "could not connect to", "Check the address")
    goes_on_with(control, memory)


def test_a_name_that_does_not_resolve(memory_system, control):
    memory = memory_system({"agent_branch.api_url": "https://api.invalid/api/v2"})
    memory.create("s")
    memory.error_with("s", 'could not connect to "api.invalid"')
    goes_on_with(control, memory)


def test_a_certificate_that_does_not_verify(memory_system, control, tmp_path):
    certificate, private = str(tmp_path / "certificate"), str(tmp_path / "key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", private, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    server = Silent(True, context)
    try:
        memory = memory_system({"agent_branch.api_url": f"https://127.0.0.1:{server.port}/api/v2"})
        memory.create("s")
        memory.error_with("s", "its certificate does not verify", "authority that this machine")
    finally:
        server.close()
    goes_on_with(control, memory)


def change(memory, name, method="PATCH", after="", **branch):
    branch_id = memory.branch(name)["id"]
    status, answer = memory.emulator.call(
        method, f"/projects/{PROJECT}/branches/{branch_id}{after}",
        {"branch": branch} if branch else None)
    assert status == 200, answer


def test_a_parent_that_does_not_exist(memory):
    memory.register(parent="nowhere")
    memory.create("s")
    memory.error_with("s", 'parent branch "nowhere" does not exist', "Create the branch at Neon")
    memory.emulator.call("POST", f"/projects/{PROJECT}/branches", {
        "branch": {"name": "nowhere", "parent_id": memory.branch("production")["id"]},
        "endpoints": [{"type": "read_write"}]})
    memory.settle("s", "ready")


def test_a_parent_that_is_the_default_or_root_branch_can_be_forked_but_not_restored(memory):
    memory.register(parent="production")
    memory.ready_with_work("s")
    memory.merge("s", "conflict", strategy="restore")
    memory.error_with("s", "is the project's default branch", "register the project")
    change(memory, "development", "POST", "/set_as_default")
    memory.merge("s", "conflict", strategy="restore")
    memory.error_with("s", "is a root branch", "register the project")
    change(memory, "production", "POST", "/set_as_default")
    memory.discard("s")


def test_a_parent_that_is_protected_can_be_forked_but_not_restored(memory):
    change(memory, "development", protected=True)
    memory.ready_with_work("s")
    memory.merge("s", "conflict", strategy="restore")
    memory.error_with("s", "is protected", "take the protection off")
    memory.discard("s")
    change(memory, "development", protected=False)


def test_a_parent_that_expires(memory):
    tomorrow = memory.one("SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 day', "
                          "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    change(memory, "development", expires_at=tomorrow)
    memory.create("s")
    memory.error_with("s", "has an expiry", "Clear its expiry")
    change(memory, "development", expires_at=None)
    memory.settle("s", "ready")


def test_a_role_that_the_parent_does_not_have(memory):
    memory.register(role="nobody")
    memory.create("s")
    memory.error_with("s", 'no connection for role "nobody"', "Register the project")
    memory.register()
    memory.settle("s", "ready")


def test_a_session_in_trouble_can_be_discarded(memory_system, key):
    memory = system_with_key(memory_system, key)
    memory.create("s")
    memory.error_with("s", "cannot be used")
    memory.rows("SELECT agent_discard('s')")
    wait_until(lambda: memory.state("s") == "discarded", 10, "the session to be discarded")
    assert memory.worker()
