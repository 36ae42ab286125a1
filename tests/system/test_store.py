"""The store of the tables, inside of a server, is held to the cases that the stores of the tests pass."""
import os

from cluster import Cluster

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# No worker ever sees an extension of the library's version here: it waits for one that is, and leaves
# the rows alone.
NONE = "UPDATE pg_extension SET extversion = 'none' WHERE extname = 'agent_branch'"
OURS = """UPDATE pg_extension SET extversion = (SELECT default_version FROM pg_available_extensions
    WHERE name = 'agent_branch') WHERE extname = 'agent_branch'"""
GROUND = ("""CREATE EXTENSION agent_branch;
CREATE FUNCTION store_cases(text) RETURNS boolean LANGUAGE c STRICT AS 'store_cases', 'store_cases';
CREATE TABLE store_failure (what text);
CREATE TABLE store_tried (count bigint);
SELECT agent_project_register('p1', parent => 'dev');
DELETE FROM agent_branch.request""",
          "SELECT agent_branch_create('one'); SELECT agent_branch_create('two')",
          """SELECT agent_migrate('one', 'SELECT 1', 'm1');
SELECT agent_migrate('one', 'SELECT 2', 'm2')""")


def conformance(cluster, database, before="SELECT"):
    """How much was tried, and what the tables did otherwise."""
    cluster.psql(f"CREATE DATABASE {database}")
    for part in GROUND:
        cluster.psql(f"BEGIN; {OURS}; {part}; {NONE}; COMMIT", database=database)
    cluster.psql(before, database=database)
    assert cluster.psql("SELECT store_cases('store_cases')", database=database) == "t"
    return (int(cluster.psql("SELECT count FROM store_tried", database=database)),
            cluster.psql("SELECT what FROM store_failure", database=database))


def test_the_tables_pass_the_cases_of_the_other_stores():
    folder = os.path.join(ROOT, "build", "tests")
    with Cluster({"shared_preload_libraries": "agent_branch",
                  "dynamic_library_path": f"$libdir:{folder}"}, name="store") as cluster:
        tried, failures = conformance(cluster, "store")
        assert failures == ""
        assert tried > 70
        _, failures = conformance(cluster, "otherwise", """
            CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN NEW.backup_name := NULL; RETURN NEW; END';
            CREATE TRIGGER forget BEFORE UPDATE ON agent_branch.merge FOR EACH ROW
                EXECUTE FUNCTION forget()""")
        assert "rest of merge" in failures
