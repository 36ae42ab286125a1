"""The program: its options, its answers to signals, what it leaves behind."""
import os
import signal
import subprocess

import pytest

from conftest import PROGRAM, poll

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
