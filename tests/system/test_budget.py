"""The request rate of an API key, which all workers of a server keep together."""
from system import System, unique

SESSIONS = 12


def test_two_databases_with_one_key_keep_its_rate_together(memory_system, control):
    """What leaves evenly may arrive in a bunch, so the API allows half as much again; each database
    by itself would send twice as much at once."""
    first = memory_system({"agent_branch.rate_limit_per_minute": 600,
                           "agent_branch.rate_limit_burst": 10},
                          rate_per_minute=900, arguments=("--rate-burst", "15"))
    with System(control, first.emulator, unique("second")) as second:
        second.register()
        for system in (first, second):
            system.register(max_parallel=SESSIONS)
            with system.connect(autocommit=False) as connection, connection.cursor() as cursor:
                for n in range(SESSIONS):
                    cursor.execute("SELECT agent_branch_create(%s)", (f"{system.database}-{n}",))
                connection.commit()
            connection.close()
        for system in (first, second):
            for n in range(SESSIONS):
                system.settle(f"{system.database}-{n}", "ready", 60)
        requests = first.emulator.requests()
        assert len(requests) > 2 * SESSIONS
        assert not [request for request in requests if request["status"] == 429]
        for n in range(SESSIONS):
            second.discard(f"{second.database}-{n}")
