"""agent-branch-fleet: what its page says, to a plain client and in a browser."""
import html
import http.client
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import browser
from host import BUILD, wait_until
from system import unique

PROGRAM = os.path.join(BUILD, "agent-branch-fleet")


class Fleet:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([PROGRAM, "--listen", "127.0.0.1:0", *arguments],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("agent-branch-fleet: http://"), self.process.stderr.read()
        self.url = line.split()[1]
        self.port = int(re.search(r":(\d+)/", self.url)[1])

    def ask(self, path="/", method="GET", host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def events(self):
        """The socket of a stream of events, after its head."""
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return stream

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0
        self.process.stdout.close()
        self.process.stderr.close()


def until(stream, words):
    """Reads the stream until these words came."""
    text = b""
    while words not in text:
        part = stream.recv(4096)
        assert part, f"the stream ended with {text[-300:]}"
        text += part
    return text


@pytest.fixture
def watched(memory):
    """A system, and a page as a role of level monitor."""
    role = unique("watcher")
    memory.rows(f"CREATE ROLE {role} LOGIN")
    memory.rows("SELECT agent_branch_grant(%s, 'monitor')", role)
    fleet = Fleet(memory.cluster.uri(memory.database, user=role))
    yield memory, fleet
    fleet.close()


def test_the_page_needs_no_script_to_show_the_present_state(watched):
    memory, fleet = watched
    memory.ready("shown")
    memory.migrate("shown", f"CREATE TABLE {unique('shown')} ()")
    memory.ready("broken")
    memory.migrate("broken", "SELECT '<script>alert(1)</script>' FROM nothing", state="failed")
    answer, page = fleet.ask()
    assert answer.status == 200
    body = page.split("<main", 1)[1].split("</main>")[0]
    assert ">shown</a>" in body and 'class="state ready"' in body and 'class="state failed"' in body
    assert "migration 1" in body and "<svg class=time" in body
    assert html.escape("does not exist") in body
    # What a migration's text or error has in it is never markup.
    assert "<script>" not in body
    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-(\w+)'", policy)[1]
    assert "default-src 'none'" in policy and page.count(f'nonce="{nonce}"') == 2
    assert nonce not in fleet.ask()[1]
    memory.discard("shown")
    memory.discard("broken")
    assert ">shown</a>" not in fleet.ask()[1]


def test_changes_are_told_as_they_happen(watched):
    memory, fleet = watched
    with fleet.events() as stream:
        until(stream, b"event: changed")
        began = time.monotonic()
        memory.ready("told")
        until(stream, b"event: changed")
        # The look that is due by the time alone comes after five seconds.
        assert time.monotonic() - began < 5
        assert ">told</a>" in fleet.ask("/state")[1]
    memory.discard("told")


def test_nothing_can_be_changed_and_no_other_name_is_answered(watched):
    memory, fleet = watched
    for method in ("POST", "DELETE", "PUT"):
        assert fleet.ask(method=method)[0].status == 405
    assert fleet.ask("/etc/passwd")[0].status == 404
    assert fleet.ask(host="attacker.example")[0].status == 421
    assert fleet.ask(method="HEAD")[0].status == 200
    # Its sessions are read only, whoever they are of.
    (row,) = memory.rows("SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = "
                         "'agent-branch-fleet' AND datname = current_database()")
    assert row["n"] == 1


def test_the_page_says_that_the_database_is_gone_and_comes_back(own_cluster):
    system = own_cluster()
    system.register()
    fleet = Fleet(system.cluster.uri())
    assert "No project" not in fleet.ask()[1]
    system.cluster.stop("immediate")
    assert "cannot be read" in fleet.ask()[1]
    system.cluster.start()
    wait_until(lambda: "cannot be read" not in fleet.ask()[1], 30, "the page to read again", 0.2)
    fleet.close()


@pytest.fixture(name="chromium")
def _chromium():
    if not browser.PROGRAM:
        pytest.skip("chromium is not installed")
    with browser.Browser() as running:
        yield running


def shows(page, words, seconds=40):
    wait_until(lambda: words in (page.value("document.body && document.body.innerText") or ""), seconds,
               f"the page to show {words!r}", 0.1)


def test_a_browser_shows_it_live(watched, chromium):
    memory, fleet = watched
    page = chromium.open(fleet.url)
    shows(page, "live")
    memory.ready("seen")
    shows(page, "seen")
    # By keyboard: the first stop leads over the head, and the next to what can be opened.
    assert page.value("document.querySelector('details').open") is False
    page.value("document.querySelector('details summary').focus()")
    page.press("Enter")
    wait_until(lambda: page.value("document.querySelector('details').open"), 10, "the session to open")
    # What was opened stays open when the page moves on, and nothing is wider than a phone.
    memory.ready("later")
    shows(page, "later")
    open_now = page.value("[...document.querySelectorAll('details[open] summary')].map((one) => one.innerText).join()")
    assert "seen" in open_now
    page.send("Emulation.setDeviceMetricsOverride", width=360, height=700, deviceScaleFactor=1, mobile=True)
    assert page.value("document.documentElement.scrollWidth") <= 360
    light = page.value("getComputedStyle(document.body).backgroundColor")
    page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert page.value("getComputedStyle(document.body).backgroundColor") != light
    memory.discard("seen")
    memory.discard("later")


def test_without_script_a_browser_shows_the_present_state(watched, chromium):
    memory, fleet = watched
    memory.ready("plain")
    page = chromium.open(fleet.url, script=False)
    shows(page, "plain")
    assert "as of when the page was loaded" in page.value("document.getElementById('link').textContent")
    memory.discard("plain")
