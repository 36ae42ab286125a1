"""What agents do, cut into pieces: each scenario is set up without trouble, and then one thing is
asked for, during which the trouble comes.

act() only asks and waits for nothing, so that it is over before the trouble begins. What a
scenario is about is said by its steps and changes of state, which a first run without trouble
records (points.py): nothing of that is written down here.
"""
import holds
from host import wait_until
from world import BRANCH, RealWorld, World

_ALL = []


class Scenario:
    def __init__(self, name, topology, setup, act):
        self.name = name
        self.topology = topology
        self.engine = "memory"
        self.world = World
        self.setup = setup
        self.act = act

    def __repr__(self):
        return self.name


def all_scenarios():
    return list(_ALL)


def scenario(name, *topologies, setup=lambda world: None):
    """The decorated function is act()."""
    def register(act):
        for topology in topologies or ("flat",):
            shown = f"{name} ({topology})" if len(topologies) > 1 else name
            _ALL.append(Scenario(shown, topology, setup, act))
        return act
    return register


def _with_real_branches(name, setup, act):
    for topology in ("flat", "lineage"):
        real = Scenario(f"{name} ({topology}, real branches)", topology, setup, act)
        real.engine = "postgres"
        real.world = RealWorld
        _ALL.append(real)


# --- how they begin


def a_session(world, name="s"):
    world.ready(name)


def a_session_with_work(world, name="s"):
    world.ready(name)
    world.migrate(name, f"{name} 1")


def a_failed_session(world):
    world.ready("s")
    world.migrate("s", "s 1", "SELECT 1 / 0", state="failed")


def a_conflict(world):
    a_session_with_work(world)
    a_session_with_work(world, "winner")
    world.merge("winner", strategy="restore")
    world.merge("s", state="conflict", strategy="restore")
    world.tidy()


def a_lost_branch(world):
    a_session_with_work(world)
    world.delete_branch(BRANCH + "s")


def older(world):
    """As if the sessions had begun long ago. The worker reads that when it starts."""
    world.rows("UPDATE agent_branch.session SET created_at = created_at - interval '25 hours'")
    world.restart_worker()


# --- create


@scenario("create")
def _create(world):
    world.create("s")


@scenario("create, the name is another's",
          setup=lambda world: world.make_foreign_branch(BRANCH + "s"))
def _create_refused(world):
    world.create("s")


def _no_room(world):
    world.emulator.add_fault({
        "match": {"method": "POST", "path": f"/projects/{world.project}/branches$"},
        "do": "status", "status": 422, "body": {"code": "BRANCHES_LIMIT_EXCEEDED",
                                                "message": "branches limit exceeded"}})


@scenario("create, no room at first", setup=_no_room)
def _create_without_room(world):
    world.create("s")


def _no_start(world):
    world.emulator.add_fault({
        "match": {"method": "POST", "path": f"/projects/{world.project}/branches$"},
        "do": "fail_operation", "action": "start_compute"})


@scenario("create, the compute does not start at first", setup=_no_start)
def _create_with_a_second_start(world):
    world.create("s")


def _unanswered_create(world):
    world.answer = world.stage.proxy.hold("POST", f"/projects/{world.project}/branches", "answer")
    world.create("s")
    assert world.answer.held.wait(20)


@scenario("create, given up", setup=_unanswered_create)
def _create_given_up(world):
    world.rows("SELECT agent_discard('s')")
    world.answer.release()


# --- the queue


def _queued(world):
    world.register(max_parallel=1)
    world.ready("first")
    world.create("s")
    world.taken()


@scenario("discard while queued", setup=_queued)
def _discard_queued(world):
    world.rows("SELECT agent_discard('s')")


def _old_and_queued(world):
    _queued(world)
    older(world)


@scenario("expire, one of them queued", setup=_old_and_queued)
def _expire_queued(world):
    world.rows("SELECT agent_reap()")


# --- migrate


@scenario("migrate", setup=a_session)
def _migrate(world):
    for number in (1, 2):
        world.migrate("s", f"s {number}", state=None)


@scenario("migrate, it fails", setup=a_session)
def _migrate_badly(world):
    world.migrate("s", "s 1", "SELECT 1 / 0", state=None)


@scenario("migrate after a failure", setup=a_failed_session)
def _migrate_corrected(world):
    # Only its own name puts another text in the place of a migration that failed.
    world.migrate("s", "s 1", state=None)


def _a_model(world):
    world.use_model("s 1")
    a_session(world)


@scenario("migrate, repaired by a model", setup=_a_model)
def _migrate_repaired(world):
    world.migrate_badly("s", "s 1")


def _in_a_migration(world):
    a_session(world)
    lock = holds.in_migration(world)
    world.migrate("s", "s 1", state=None)
    lock.wait("the migration")


@scenario("migrate, given up", setup=_in_a_migration)
def _migrate_given_up(world):
    world.rows("SELECT agent_discard('s')")


# --- merge


@scenario("merge", "flat", "lineage", setup=a_session_with_work)
def _merge(world):
    world.rows("SELECT agent_merge('s', 'restore')")


_with_real_branches("merge", a_session_with_work, _merge)


def _after_another(world):
    a_session_with_work(world)
    a_session_with_work(world, "winner")
    world.merge("winner", strategy="restore")
    world.tidy()


@scenario("merge, refused", setup=_after_another)
def _merge_refused(world):
    world.rows("SELECT agent_merge('s', 'restore')")


@scenario("merge after a conflict", setup=a_conflict)
def _merge_again(world):
    world.rows("SELECT agent_merge('s', 'restore')")


@scenario("migrate after a conflict", setup=a_conflict)
def _migrate_in_conflict(world):
    world.migrate("s", "s 2", state=None)


@scenario("merge, the branch is gone", setup=a_lost_branch)
def _merge_nothing(world):
    world.rows("SELECT agent_merge('s', 'restore')")


def _waits_for_its_turn(world):
    a_session_with_work(world)
    older(world)
    a_session_with_work(world, "first")
    path = f"/projects/{world.project}/branches/[^/]*/restore"
    world.answer = world.stage.proxy.hold("POST", path, "answer")
    world.rows("SELECT agent_merge('first', 'restore')")
    assert world.answer.held.wait(20)
    world.rows("SELECT agent_merge('s', 'restore')")
    wait_until(lambda: world.state("s") == "merging", 20, "the merge to be asked for")


@scenario("expire while a merge waits", setup=_waits_for_its_turn)
def _expire_merging(world):
    world.rows("SELECT agent_reap()")
    world.answer.release()


@scenario("merge by replay", setup=a_session_with_work)
def _merge_by_replay(world):
    world.rows("SELECT agent_merge('s', 'replay')")


_with_real_branches("merge by replay", a_session_with_work, _merge_by_replay)


@scenario("merge by candidate", setup=a_session_with_work)
def _merge_by_candidate(world):
    world.rows("SELECT agent_merge('s', 'candidate')")


# --- undo


def _undoable(world):
    world.register(undo_window="1 hour")
    a_session_with_work(world)


@scenario("merge by replay, with a backup", "flat", "lineage", setup=_undoable)
def _merge_with_backup(world):
    world.rows("SELECT agent_merge('s', 'replay')")


def _merged_and_undoable(world):
    _undoable(world)
    world.merge("s", strategy="replay")
    world.tidy()


# By force: the cluster of the parents is written to by others, too.
@scenario("undo", "flat", "lineage", setup=_merged_and_undoable)
def _undo(world):
    world.rows("SELECT agent_merge_undo('s', true)")


# --- rebase


@scenario("rebase", setup=a_session_with_work)
def _rebase(world):
    world.rows("SELECT agent_rebase('s')")


def _conflict_over_others_rows(world):
    # The winner's rows are on the branch, too: all branches are one database.
    world.register(on_unrecorded="drop")
    a_conflict(world)


@scenario("rebase after a conflict", setup=_conflict_over_others_rows)
def _rebase_conflict(world):
    world.rows("SELECT agent_rebase('s')")


@scenario("rebase after a failure", setup=a_failed_session)
def _rebase_failed(world):
    world.rows("SELECT agent_rebase('s')")


def _row_by_hand(world):
    world.on_branch(f"INSERT INTO {world.table}_by_hand VALUES ('by hand')")


@scenario("rebase, refused", setup=lambda world: (a_session(world), _row_by_hand(world)))
def _rebase_refused(world):
    world.rows("SELECT agent_rebase('s')")


@scenario("rebase after a failure, refused",
          setup=lambda world: (a_failed_session(world), _row_by_hand(world)))
def _rebase_failed_refused(world):
    world.rows("SELECT agent_rebase('s')")


# --- discard, extend


@scenario("discard", setup=a_session_with_work)
def _discard(world):
    world.rows("SELECT agent_discard('s')")


@scenario("discard after a failure", setup=a_failed_session)
def _discard_failed(world):
    world.rows("SELECT agent_discard('s')")


@scenario("discard after a conflict", setup=a_conflict)
def _discard_conflict(world):
    world.rows("SELECT agent_discard('s')")


@scenario("extend", setup=a_session)
def _extend(world):
    world.rows("SELECT agent_extend('s', '5 days')")


@scenario("extend, the branch is gone", setup=a_lost_branch)
def _extend_nothing(world):
    world.rows("SELECT agent_extend('s', '5 days')")


def _lost_in_conflict(world):
    a_conflict(world)
    world.delete_branch(BRANCH + "s")
    world.reap()  # with the branch, what held the merge's backup is gone
    world.tidy()


@scenario("extend in conflict, the branch is gone", setup=_lost_in_conflict)
def _extend_conflict(world):
    world.rows("SELECT agent_extend('s', '5 days')")


# --- reap


def _old(world):
    a_session_with_work(world)
    older(world)


@scenario("expire", setup=_old)
def _expire(world):
    world.rows("SELECT agent_reap()")


def _orphan(world):
    world.make_branch("left", parent=world.parent_id, annotation_value={
        "agent-branch-installation": world.one("SELECT id FROM agent_branch.installation"),
        "agent-branch-session": "unknown"})


@scenario("reap an orphan", setup=_orphan)
def _reap_orphan(world):
    world.rows("SELECT agent_reap()")


def _kept(world):
    world.register(undo_window="1 hour")
    a_session_with_work(world)
    world.merge("s", strategy="restore")
    world.at_rest()
    # When the worker starts it looks what can go; this is to be the reaper's.
    world.rows("UPDATE agent_branch.kept_branch SET keep_until = now() + interval '2 s'")
    world.restart_worker()
    wait_until(lambda: world.one("SELECT keep_until + interval '1 s' < clock_timestamp() "
                                 "FROM agent_branch.kept_branch"), 20, "the window to end")


@scenario("reap a merge's backup", setup=_kept)
def _reap_backup(world):
    world.rows("SELECT agent_reap()")


# --- what lineage leaves behind


def _merged(world):
    a_session_with_work(world)
    world.merge("s", strategy="restore")
    world.at_rest()


@scenario("create with the name of a kept branch", "lineage", setup=_merged)
def _create_again(world):
    world.create("s")


def _no_compute_left(world):
    world.before = world.stage.configure(active_compute_limit=2)
    _merged(world)


@scenario("create with a kept branch's compute", "lineage", setup=_no_compute_left)
def _create_with_place(world):
    world.create("next")


@scenario("merge after a merge", "lineage",
          setup=lambda world: (_merged(world), a_session_with_work(world, "next")))
def _merge_next(world):
    world.rows("SELECT agent_merge('next', 'restore')")
