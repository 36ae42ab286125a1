"""The program: its options, its answers to signals, what it leaves behind."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import urllib.request

import pytest

from conftest import PROGRAM, PROJECT, poll

KEYED = ["--api-key-file", "key"]


def run(folder, *options):
    (folder / "key").write_text("k\n")
    return subprocess.run([PROGRAM, *options], cwd=folder, capture_output=True, text=True,
                          timeout=30)


@pytest.mark.parametrize("options, message", [
    ([], "--engine is missing"),
    (["--engine", "memory"], "--api-key-file is missing"),
    (["--engine", "disk", *KEYED], "--engine wants one of postgres, memory"),
    (["--engine", "memory", *KEYED, "--listen", "0.0.0.0:4010"], "loopback addresses only"),
    (["--engine", "memory", *KEYED, "--listen", "4010"], "--listen wants ADDRESS:PORT"),
    (["--engine", "memory", *KEYED, "--max-branches", "-1"], "--max-branches wants a number"),
    (["--engine", "memory", *KEYED, "--durations", "nap=1"], "durations are default, zero"),
    (["--engine", "memory", *KEYED, "--keep"], "--data is missing: --keep writes there"),
    (["--engine", "memory", *KEYED, "--what"], "unknown option --what"),
    (["--try", "--engine", "memory"], "--try is for engine postgres"),
    (["--try", "--data", "d"], "--api-key-file is missing: --try makes one only"),
    (["--engine", "memory", "--api-key-file"], "--api-key-file wants a value"),
])
def test_a_bad_option_is_told_and_ends_with_2(folder, options, message):
    result = run(folder, *options)
    assert result.returncode == 2
    assert message in result.stderr


def test_help_and_version_end_with_0(folder):
    assert "--topology lineage|flat" in run(folder, "--help").stdout
    assert run(folder, "--version").stdout.startswith("neon-emulator ")


@pytest.mark.skipif(os.geteuid() != 0, reason="is about running as root")
def test_engine_postgres_refuses_root_with_a_hint(folder):
    result = run(folder, "--engine", "postgres", *KEYED, "--data", "d")
    assert result.returncode == 2 and "setpriv" in result.stderr
    assert not (folder / "d").exists()


def try_out(folder):
    """A started `neon-emulator --try` that has its folder below this one, and what it printed."""
    program = folder / "neon-emulator"
    shutil.copy(PROGRAM, program)
    give_to_server_user(folder)
    process = subprocess.Popen([program, "--try", "--listen", "127.0.0.1:0", "--quiet"],
                               env={**os.environ, "TMPDIR": str(folder)}, cwd="/",
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return process, [process.stdout.readline().rstrip("\n") for _ in range(5)]


def give_to_server_user(path):
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(path, account.pw_uid, account.pw_gid)


def end(process):
    process.send_signal(signal.SIGTERM)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 0, errors


def test_try_makes_what_is_missing_and_prints_the_settings(folder):
    process, printed = try_out(folder)
    url = printed[0].split("ready on ")[1]
    settings = dict(line.split(" = ") for line in printed[2:])
    assert settings["shared_preload_libraries"] == "'agent_branch'"
    assert settings["agent_branch.api_url"] == f"'{url}'"
    key_file = pathlib.Path(settings["agent_branch.api_key_file"].strip("'"))
    status, key = key_file.stat(), key_file.read_text().strip()
    assert status.st_mode & 0o777 == 0o600
    assert status.st_uid == (pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0
                             else os.geteuid())
    request = urllib.request.Request(f"{url}/projects/{PROJECT}/branches",
                                     headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        names = {branch["name"] for branch in json.load(answer)["branches"]}
    assert names == {"production", "development"}
    end(process)
    assert [path.name for path in key_file.parent.iterdir()] == ["api-key"]

    process, printed = try_out(folder)
    assert printed[4] == f"agent_branch.api_key_file = '{key_file}'"
    assert key_file.read_text().strip() == key
    end(process)


def test_try_takes_no_folder_that_others_may_write_to(folder):
    user = pwd.getpwnam("postgres").pw_uid if os.geteuid() == 0 else os.geteuid()
    guessed = folder / f"neon-emulator-try-{user}"
    guessed.mkdir()
    give_to_server_user(guessed)
    guessed.chmod(0o777)
    process, printed = try_out(folder)
    assert printed[0] == ""
    assert "is not a folder of this user alone" in process.communicate(timeout=30)[1]
    assert process.returncode == 1


def test_an_unreadable_key_file_is_told(folder):
    result = run(folder, "--engine", "memory", "--api-key-file", "none")
    assert result.returncode == 1 and "cannot read the API key file" in result.stderr


def test_a_port_in_use_is_told(emulator, folder):
    result = run(folder, "--engine", "memory", *KEYED, "--listen",
                 emulator.root[len("http://"):])
    assert result.returncode == 1 and "in use" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_engine_memory_ends_at_a_signal(start, number):
    assert start().stop(number) == 0


def test_a_shutdown_leaves_no_process_and_no_file(start):
    emulator = start(engine="postgres")
    emulator.create("a", endpoint=True)
    assert emulator.servers()
    assert emulator.stop() == 0
    assert emulator.servers() == []
    assert not emulator.data.exists()


def test_a_data_folder_that_was_there_is_kept_with_what_else_is_in_it(start, folder):
    data = folder / "data"
    data.mkdir()
    data.chmod(0o777)
    (data / "mine").write_text("x")
    emulator = start(engine="postgres")
    assert emulator.stop() == 0
    assert [path.name for path in data.iterdir()] == ["mine"]


def test_a_shutdown_in_the_middle_of_work_is_clean(start):
    emulator = start("--lock", "none", engine="postgres")
    for i in range(4):
        assert emulator.create(f"b{i}", endpoint=True, wait=False).status == 201
    assert emulator.stop() == 0
    assert emulator.servers() == []
    assert not emulator.data.exists()


def test_a_second_signal_hurries(start):
    emulator = start(engine="postgres")
    emulator.process.send_signal(signal.SIGTERM)
    assert emulator.stop(signal.SIGTERM) == 0
    poll(lambda: not emulator.servers(), "no server is left")
    assert not emulator.data.exists()


def test_after_sigkill_clusters_die_and_a_restart_cleans_up(start):
    first = start(engine="postgres")
    first.create("a", endpoint=True)
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    poll(lambda: not first.servers(), "the clusters end with the emulator")
    assert first.data.exists()
    second = start(engine="postgres")
    assert set(second.branches()) == {"production", "development"}
    assert second.stop() == 0
    assert not second.data.exists()


def test_two_emulators_do_not_share_a_data_folder(start):
    start(engine="postgres")
    with pytest.raises(AssertionError, match="another neon-emulator uses"):
        start(engine="postgres")
