"""What the worker tells of its own doing: counters in SQL, lines in the log."""
import os
import re
import subprocess

from host import REPOSITORY, pg_bindir, wait_until
from system import unique


def lines_with(cluster, *words):
    return [line for line in cluster.log().splitlines() if all(word in line for word in words)]


def test_calls_of_the_api_are_counted_by_route(memory):
    memory.ready("counted")
    memory.discard("counted")
    # The counters are published by the turn that ended the session, after its commit.
    wait_until(lambda: memory.rows("SELECT 1 AS one FROM agent_api_calls WHERE route LIKE 'DELETE%%'"), 10,
               "the last call to be counted")
    rows = {row["route"]: row for row in memory.rows("SELECT * FROM agent_api_calls")}
    met = [request for request in memory.emulator.requests() if "/_" not in request["path"]]
    assert sum(row["calls"] for row in rows.values()) == len(met)
    create = rows["POST branches"]
    assert (create["calls"], create["errors"], create["errors_by_kind"]) == (1, 0, {})
    assert 0 <= create["p50_time"] <= create["p99_time"] <= create["max_time"]
    assert create["total_time"] <= create["max_time"] * create["calls"]
    assert create["stats_reset"] is not None
    counted = memory.rows("""SELECT labels ->> 'route' AS route, value FROM agent_metrics()
                             WHERE name = 'agent_branch_api_request_seconds_count'""")
    assert {row["route"]: row["value"] for row in counted} == {
        route: row["calls"] for route, row in rows.items()}
    buckets = memory.rows("""SELECT value FROM agent_metrics() WHERE name =
        'agent_branch_api_request_seconds_bucket' AND labels @> '{"route": "POST branches"}'
        ORDER BY replace(labels ->> 'le', '+Inf', 'Infinity')::float8""")
    values = [row["value"] for row in buckets]
    assert values == sorted(values) and values[-1] == 1


def test_errors_and_retries_are_counted_by_kind(memory):
    memory.emulator.add_fault({"match": {"method": "POST", "path": "/branches$"},
                               "do": "status", "status": 503})
    memory.ready("again")
    (row,) = memory.rows("SELECT * FROM agent_api_calls WHERE route = 'POST branches'")
    assert (row["calls"], row["errors"], row["retries"]) == (2, 1, 1)
    assert row["errors_by_kind"] == {"unavailable": 1}
    assert row["waits"] >= 1 and row["wait_time"] > 0
    memory.discard("again")


def test_counters_outlive_the_worker_until_they_are_reset(memory):
    memory.ready("kept")
    before = memory.one("SELECT sum(calls) FROM agent_api_calls")
    pid = memory.worker_runs()
    memory.rows("SELECT pg_terminate_backend(%s)", pid)
    memory.worker_runs(other_than=pid)
    assert memory.one("SELECT sum(calls) FROM agent_api_calls") >= before
    reset = memory.one("SELECT max(stats_reset) FROM agent_api_calls")
    memory.rows("SELECT agent_stats_reset()")
    memory.discard("kept")
    wait_until(lambda: memory.rows("SELECT 1 AS one FROM agent_api_calls"), 10, "calls after the reset")
    rows = memory.rows("SELECT * FROM agent_api_calls")
    assert "POST branches" not in {row["route"] for row in rows}
    assert all(row["stats_reset"] > reset for row in rows)


def test_the_log_has_a_line_for_each_state_with_branch_and_request(memory_system, control):
    memory = memory_system({"log_min_messages": "debug1"})
    name = unique("told")
    memory.ready(name)
    memory.discard(name)
    branch = memory.session(name)["branch_id"]
    wait_until(lambda: lines_with(control, f'session "{name}"', "is discarded"), 10,
               "the last state in the log")
    told = lines_with(control, f'session "{name}"')
    states = [re.search(r" is (\w+), was (\w+)", line).groups() for line in told]
    assert states == [("creating", "queued"), ("ready", "creating"),
                      ("discarding", "ready"), ("discarded", "discarding")]
    ready = told[1]
    assert branch in ready
    made_by = re.search(r"request (\S+)", ready).group(1).rstrip(",:")
    # The two lines know the call by the same name.
    assert len(lines_with(control, ": HTTP 2", f"request {made_by}")) == 1


def test_a_traceparent_comes_back_in_events_spans_and_metrics(memory):
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    memory.create("traced", traceparent=parent)
    memory.settle("traced", "ready")
    memory.migrate("traced", f"CREATE TABLE {unique('traced')} ()")
    memory.ready("untraced")
    assert {row["traceparent"] for row in memory.rows(
        "SELECT traceparent FROM agent_events WHERE session = 'traced'")} == {parent}
    assert memory.rows("SELECT labels ->> 'session' AS s, labels ->> 'traceparent' AS t FROM "
                       "agent_metrics() WHERE name = 'agent_branch_traced_session_age_seconds'"
                       ) == [{"s": "traced", "t": parent}]
    spans = memory.rows("SELECT * FROM agent_spans WHERE session = 'traced'")
    (root,) = [span for span in spans if span["kind"] == "session"]
    assert {span["trace_id"] for span in spans} == {"4bf92f3577b34da6a3ce929d0e0e4736"}
    assert root["parent_span_id"] == "00f067aa0ba902b7" and root["ended_at"] is None
    assert all(span["parent_span_id"] == root["span_id"] for span in spans if span is not root)
    assert len({span["span_id"] for span in spans}) == len(spans)
    assert {"migration 1", "create branch", "creating"} <= {span["name"] for span in spans}
    (step,) = [span for span in spans if span["name"] == "create branch"]
    assert root["started_at"] <= step["started_at"] <= step["ended_at"]
    others = memory.rows("SELECT trace_id FROM agent_spans WHERE session = 'untraced'")
    assert "4bf92f3577b34da6a3ce929d0e0e4736" not in {row["trace_id"] for row in others}
    memory.discard("traced")
    memory.discard("untraced")
    assert not memory.rows("SELECT 1 AS one FROM agent_spans WHERE session = 'traced' AND ended_at IS NULL")


def test_each_shortcut_of_psqlrc_is_a_query_that_runs(memory, control):
    memory.ready("short")
    path = os.path.join(REPOSITORY, "docs", "psqlrc")
    with open(path, encoding="utf-8") as file:
        names = re.findall(r"^\\set ([a-z]+) '", file.read(), re.M)
    assert len(names) > 10
    script = "\n".join(["\\set ON_ERROR_STOP on", f"\\i {path}", "\\set s short",
                        *(f"\\echo is {name}\n:{name}" for name in names)])
    result = subprocess.run([os.path.join(pg_bindir(), "psql"), "-X", "-v", "ON_ERROR_STOP=1",
                             control.uri(memory.database)], input=script, text=True,
                            capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    for name in names:
        assert f"is {name}\n" in result.stdout
    assert "branch-for-revision-short" in result.stdout
    memory.discard("short")
