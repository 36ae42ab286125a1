"""The newcomer's way: what README.md tells to type, line by line, with what it says is answered.

The server is told what `neon-emulator --try` printed, and nothing else. In the README, an ellipsis
stands for what is another each time.
"""
import os
import re
import subprocess

import pytest

import host
from cluster import Cluster

PROMPT = re.compile(r"control=[#>] ")  # of a superuser, and of others


def page(path):
    with open(os.path.join(host.REPOSITORY, path), encoding="utf-8") as file:
        return file.read()


def transcript(text):
    """Each statement that a page shows, and what is answered to it."""
    exchanges = []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        lines = [] if language else block.splitlines()
        while lines:
            line = lines.pop(0)
            assert PROMPT.match(line), f"no prompt: {line}"
            typed, answered = [PROMPT.sub("", line, count=1).split(" -- ")[0].rstrip()], []
            while not (typed[0].startswith("\\") or typed[-1].endswith(";")):
                typed.append(lines.pop(0))
            while lines and not PROMPT.match(lines[0]):
                answered.append(lines.pop(0))
            exchanges.append(("\n".join(typed), "\n".join(answered)))
    return exchanges


def pattern(answered):
    """What the lines of an answer stand for; how wide a column is depends on what is in it."""
    words = re.split(r"(…|\s+)", answered.strip())
    return "".join(".*" if word == "…" else r"\s+" if word.isspace() else re.escape(word)
                   for word in words)


@pytest.fixture
def control():
    """A cluster with the settings that the emulator printed."""
    directory = host.scratch_directory("newcomer")
    program = host.runnable_by_server_user(os.path.join(host.BUILD, "neon-emulator"))
    emulator = subprocess.Popen(
        host.as_server_user([program, "--try", "--listen", "127.0.0.1:0", "--quiet"]), cwd="/",
        env={**os.environ, "TMPDIR": directory}, stdout=subprocess.PIPE, text=True)
    try:
        printed = [emulator.stdout.readline() for _ in range(5)]
        settings = dict(re.findall(r"^(\S+) = '(.*)'$", "".join(printed), re.M))
        assert len(settings) == 3, printed
        with Cluster(settings, name="control") as cluster:
            cluster.psql("CREATE DATABASE control")
            yield cluster
    finally:
        emulator.terminate()
        emulator.wait(60)


def play(control, role, exchanges):
    """Types it all as this role, and compares each answer."""
    assert exchanges
    script = "".join(f"{typed}\n\\echo end of {number}\n"
                     for number, (typed, _) in enumerate(exchanges))
    # Errors come on another stream than answers: neither is to be held back.
    result = subprocess.run(
        ["stdbuf", "-oL", os.path.join(control.bindir, "psql"), "-X", "-h", "127.0.0.1", "-p",
         str(control.port), "-U", role, "-d", "control"], input=script, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
    seen = re.split(r"^end of \d+\n", result.stdout, flags=re.M)
    assert len(seen) == len(exchanges) + 1, result.stdout
    for (typed, answered), output in zip(exchanges, seen):
        assert re.fullmatch(pattern(answered), output.strip(), re.S), \
            f"{typed}\nanswered\n{output}\nand not\n{answered}"


def test_every_line_answers_what_the_readme_says(control):
    section = page("README.md").split("\n## Five minutes\n")[1].split("\n## ")[0]
    play(control, "postgres", transcript(section))


def test_every_example_of_the_skill_does_what_it_says(control):
    control.psql("CREATE EXTENSION agent_branch; CREATE ROLE agent LOGIN; "
                 "SELECT agent_project_register('shiny-wind-028834'); "
                 "SELECT agent_branch_grant('agent', 'user')", database="control")
    play(control, "agent", transcript(page("docs/skills/agent-branch/SKILL.md")))
