"""monitoring/: what real exporters make of agent_metrics(), and that no label is forgotten there."""
import json
import os
import re
import shutil
import subprocess
import urllib.request
from contextlib import contextmanager

import pytest

from host import REPOSITORY, free_port, wait_until
from system import unique

FOLDER = os.path.join(REPOSITORY, "monitoring")
SAMPLE = re.compile(r'^(\w+)\{(.*)\} (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@contextmanager
def running(command, port, **options):
    """The exporter, and a function that returns what it tells as (name, labels, value)."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               **options)

    def samples():
        assert process.poll() is None, process.stderr.read()[-1000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return []
        found = [SAMPLE.match(line) for line in text.splitlines()]
        return [(one[1], dict(LABEL.findall(one[2])), float(one[3])) for one in found if one]
    try:
        yield samples
    finally:
        process.terminate()
        process.wait(10)
        process.stderr.close()


def monitor(memory):
    memory.ready("watched", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    role = unique("monitor")
    memory.rows(f"CREATE ROLE {role} LOGIN")
    memory.rows("SELECT agent_branch_grant(%s, 'monitor')", role)
    return memory.cluster.uri(memory.database, user=role)


def wanted(memory):
    """What does not move while nothing happens, by name and labels."""
    return {(row["name"], frozenset(row["labels"].items())): row["value"] for row in memory.rows(
        "SELECT * FROM agent_metrics() WHERE name !~ 'age|oldest|api_call' AND type <> 'gauge' "
        "OR name = 'agent_branch_sessions'")}


def told(samples, metric, own):
    """The exporter's own labels left out, and those that are empty, as Prometheus has it."""
    return {(labels["name"], frozenset((key, value) for key, value in labels.items()
                                       if value and key not in own)): value
            for name, labels, value in samples() if name == metric}


def same_numbers(memory, samples, metric, own):
    expected = wanted(memory)
    assert expected

    def all_there():
        seen = told(samples, metric, own)
        return all(seen.get(key) == value for key, value in expected.items())
    wait_until(all_there, 30, "the exporter to tell what agent_metrics() says", 0.2)


def test_sql_exporter_tells_what_agent_metrics_says(memory, tmp_path):
    if not shutil.which("prometheus-sql-exporter"):
        pytest.skip("prometheus-sql-exporter is not installed")
    uri = monitor(memory)
    with open(os.path.join(FOLDER, "sql_exporter.yml"), encoding="utf-8") as file:
        text, count = re.subn(r"'postgres://[^']*'", f"'{uri.replace('postgresql', 'postgres', 1)}?sslmode=disable'",
                              file.read())
    assert count == 1
    config = tmp_path / "sql_exporter.yml"
    config.write_text(text.replace("interval: 15s", "interval: 1s"), encoding="utf-8")
    port = free_port()
    with running(["prometheus-sql-exporter", "-config.file", str(config), "-web.listen-address",
                  f"127.0.0.1:{port}"], port, env={**os.environ, "CONFIG": str(config)}) as samples:
        same_numbers(memory, samples, "sql_agent_branch",
                     {"name", "sql_job", "driver", "host", "database", "user", "col"})
    memory.discard("watched")


def test_postgres_exporter_tells_what_agent_metrics_says(memory):
    if not shutil.which("prometheus-postgres-exporter"):
        pytest.skip("prometheus-postgres-exporter is not installed")
    uri = monitor(memory)
    port = free_port()
    with running(["prometheus-postgres-exporter", f"--web.listen-address=127.0.0.1:{port}",
                  "--disable-default-metrics", "--disable-settings-metrics",
                  f"--extend.query-path={FOLDER}/postgres_exporter.yml"], port,
                 env={**os.environ, "DATA_SOURCE_NAME": f"{uri}?sslmode=disable"}) as samples:
        same_numbers(memory, samples, "agent_branch_metric_value", {"name", "server"})
    memory.discard("watched")


def test_every_label_and_metric_is_known_to_the_files(memory):
    monitor(memory)
    labels = {row["key"] for row in memory.rows(
        "SELECT DISTINCT jsonb_object_keys(labels) AS key FROM agent_metrics()")}
    names = {row["name"] for row in memory.rows("SELECT DISTINCT name FROM agent_metrics()")}
    for name in ("sql_exporter.yml", "postgres_exporter.yml"):
        with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
            assert labels <= set(re.findall(r"labels ->> '(\w+)'", file.read())), name
    with open(os.path.join(FOLDER, "grafana.json"), encoding="utf-8") as file:
        dashboard = json.load(file)
    shown = {name for panel in dashboard["panels"] for target in panel["targets"]
             for name in re.findall(r"agent_branch_\w+", target["expr"])}
    # Merges have been none yet, nor backups: those have no series before the first.
    late = {"agent_branch_merge_seconds_bucket", "agent_branch_kept_branches",
            "agent_branch_queue_oldest_seconds"}
    assert shown - late <= names
    memory.discard("watched")
