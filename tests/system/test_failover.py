"""The primary of the control database is lost in the middle of a merge, and its standby promoted."""
import pytest

from host import wait_until
from system import System

PERMANENT = {"production", "development"}
RESTORE = {"method": "POST", "path": "/restore$"}


@pytest.fixture
def pair(own_cluster, still_parent):
    """A primary, with a session that is ready, and the system of its synchronous standby."""
    primary = own_cluster({"wal_level": "replica"}, topology="flat",
                          fixed_parent_uri=still_parent)
    primary.register()
    primary.ready_with_work("s")
    cluster = primary.cluster.standby()
    try:
        primary.cluster.reload({"synchronous_standby_names": "*"})
        wait_until(lambda: primary.one("SELECT count(*) FROM pg_stat_replication "
                                       "WHERE sync_state = 'sync'"), 20, "the standby to follow")
        yield primary, System(cluster, primary.emulator, extension=False)
    finally:
        cluster.close()


def restores(system):
    """The requests that were answered to have been done."""
    return [call for call in system.calls("POST", "/restore") if call["status"] // 100 == 2]


def fails_over(primary, standby):
    primary.cluster.stop("immediate")
    standby.cluster.reload({"synchronous_standby_names": ""})
    standby.cluster.promote()
    standby.worker_runs()


def merged_once(system, name="s"):
    system.settle(name, "merged", 60)
    wait_until(lambda: system.branch_names() == PERMANENT, 30, "clean-up")
    assert [row["status"] for row in system.rows(
        "SELECT status FROM agent_merges WHERE session = %s", name)] == ["merged"]
    assert not system.rows("SELECT 1 AS one FROM agent_branch.step WHERE status = 'intended'")
    # At its peak: the permanent ones, the session's, and a single backup.
    assert system.emulator.state()["counters"]["peak_branches"] == 4


def held_merge(primary, ms, effect_first):
    """The merge's restore has been sent when this returns, and has no answer yet."""
    development = primary.branch("development")
    primary.emulator.add_fault({"match": RESTORE, "ms": ms,
                                "do": "delay_after_ms" if effect_first else "delay_ms"})
    primary.merge("s", state=None, strategy="restore")
    intended = "SELECT 1 AS one FROM agent_branch.step WHERE kind = 'restore' AND status = 'intended'"
    wait_until(lambda: primary.rows(intended) and primary.one(
        "SELECT calls_under_way FROM agent_worker"), 20, "the restore to be sent")
    if effect_first:
        wait_until(lambda: primary.branch("development")["last_reset_at"] !=
                   development["last_reset_at"], 10, "the restore")


@pytest.mark.parametrize("effect_first", [True, False], ids=["done", "not done yet"])
def test_a_restore_that_was_sent_is_not_repeated(pair, effect_first):
    primary, standby = pair
    held_merge(primary, 1500, effect_first)
    fails_over(primary, standby)
    merged_once(standby)
    # The emulator logs the first one, which lost its client, once its time has come.
    sent = 1 if effect_first else 2
    wait_until(lambda: len(standby.calls("POST", "/restore")) == sent, 10, "the requests' end")
    merged_once(standby)


def test_a_merge_between_its_comparison_and_its_restore(pair):
    primary, standby = pair
    primary.emulator.add_fault({"match": {**RESTORE, "count": 1000}, "do": "status",
                                "status": 423})
    primary.merge("s", state=None, strategy="restore")
    wait_until(lambda: primary.calls("POST", "/restore"), 20, "the comparison to be done")
    assert not restores(primary)
    fails_over(primary, standby)
    assert not restores(standby)
    standby.emulator.clear_faults()
    merged_once(standby)
    assert len(restores(standby)) == 1


def test_a_standby_that_lagged_finds_the_merge_that_it_never_heard_of(pair):
    primary, standby = pair
    # Between the request and the first step: the parent cannot be read.
    primary.emulator.add_fault({"match": {"method": "GET", "path": "/branches", "count": 1000},
                                "do": "status", "status": 500})
    primary.merge("s", state=None, strategy="restore")
    wait_until(lambda: standby.rows("SELECT 1 AS one FROM agent_merges WHERE status = 'running'"),
               20, "the standby to see that the merge has begun")
    primary.cluster.reload({"synchronous_standby_names": ""})
    standby.cluster.stop()
    primary.emulator.clear_faults()
    primary.settle("s", "merged", 30)
    wait_until(lambda: primary.branch("development")["last_reset_at"], 10, "the restore")
    primary.cluster.stop("immediate")
    standby.cluster.start()
    standby.connection = None
    assert standby.state("s") == "merging"
    fails_over(primary, standby)
    standby.settle("s", "merged", 60)
    assert not standby.rows("SELECT 1 AS one FROM agent_conflicts")
    assert len(restores(standby)) == 1
