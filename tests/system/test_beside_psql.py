"""Migrations as people write them: the same outcome as psql's. See tests/migrations."""
import os

import pytest

import beside_psql
from system import unique

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "migrations")
# Sets in which files cannot be one transaction.
IN_PARTS = ("alone", "enums", "transactions")
SETS = sorted(name for name in os.listdir(FOLDER) if os.path.isdir(os.path.join(FOLDER, name)))


def test_there_are_at_least_150():
    assert len(beside_psql.files_of(FOLDER)) >= 150


@pytest.mark.parametrize("name", SETS)
def test_the_files_of_a_set_do_what_they_do_in_psql(control, memory_system, name):
    by_psql, by_product = unique("psql"), unique("product")
    for database in (by_psql, by_product):
        control.psql(f"CREATE DATABASE {database} TEMPLATE template0 STRATEGY file_copy")
    paths = beside_psql.files_of(os.path.join(FOLDER, name))
    assert beside_psql.Psql(control, by_psql).run_all(paths, name not in IN_PARTS) is None
    system = memory_system(fixed_uri=control.uri(by_product))
    assert beside_psql.run_by_product(system, unique("set"), paths) == {}
    assert beside_psql.differences(control, by_psql, by_product) == []
    system.close()
    for database in (by_psql, by_product):
        control.psql(f"DROP DATABASE {database} WITH (FORCE)")
