"""The requests that the extension's worker sends, against the document: the proxy stands between
the worker and the emulator during whole lives of sessions."""
import pytest

from cluster import Cluster
from conftest import NO_LIMITS
from emulator import Emulator


@pytest.fixture(scope="module")
def emulator():
    with Emulator(engine="postgres", **NO_LIMITS) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def control(prism_proxy, emulator, project):
    settings = {
        "shared_preload_libraries": "agent_branch",
        "agent_branch.api_url": prism_proxy.url,
        "agent_branch.api_key_file": emulator.key_file,
    }
    with Cluster(settings, name="control") as cluster:
        cluster.psql("CREATE EXTENSION agent_branch;"
                     f"SELECT agent_project_register('{project}')")
        yield cluster


def wait_for(control, session, state):
    settled = control.psql(f"SELECT agent_wait('{session}')")
    assert settled == state, control.psql(f"SELECT error FROM agent_sessions "
                                          f"WHERE session = '{session}'", check=False)


def begin(control, session, table):
    control.psql(f"SELECT agent_branch_create('{session}')")
    wait_for(control, session, "ready")
    control.psql(f"SELECT agent_migrate('{session}', 'CREATE TABLE {table} (id bigint)')")
    wait_for(control, session, "ready")


@pytest.fixture(autouse=True)
def nothing_is_refused(prism_proxy):
    before = len(prism_proxy.refused())
    yield
    assert prism_proxy.refused()[before:] == []


@pytest.mark.parametrize("strategy", ["restore"])
def test_a_session_that_is_merged(control, strategy):
    session = f"merged-by-{strategy}"
    begin(control, session, f"kept_by_{strategy}")
    control.psql(f"SELECT agent_merge('{session}', strategy => '{strategy}')")
    wait_for(control, session, "merged")


def test_a_session_that_is_discarded(control, emulator):
    begin(control, "discarded", "dropped")
    control.psql("SELECT agent_discard('discarded')")
    wait_for(control, "discarded", "discarded")
    assert "branch-for-revision-discarded" not in emulator.branch_names()


def test_an_expiry_that_is_moved(control):
    begin(control, "extended", "later")
    control.psql("SELECT agent_extend('extended', '3 hours')")
    wait_for(control, "extended", "ready")
    control.psql("SELECT agent_discard('extended')")
    wait_for(control, "extended", "discarded")
