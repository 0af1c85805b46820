import os
import sqlite3
import threading

import pytest

from agent.store import meta, schema
from agent.store.database import Database
from agent.store.errors import Damaged, ForeignFile, NewerSchema, OlderSchema, StoreError


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),  # FULL: a kill -9 cannot prove that a commit outlives a power cut
        ("cache_size", -128),
        ("busy_timeout", 5000),
        ("foreign_keys", 1),
        ("auto_vacuum", 2),
        ("application_id", schema.APPLICATION_ID),
        ("user_version", schema.SCHEMA_VERSION),
        ("wal_autocheckpoint", 256),
        ("journal_size_limit", 1024 * 1024),
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_every_connection_has_the_settings_that_protect_it(db, path, pragma, value, create):
    with Database.open(path, create=create) as other:
        assert other._conn.execute(f"PRAGMA {pragma}").fetchone() == (value,)


def test_statements_are_not_wrapped_in_hidden_transactions(db):
    assert db._conn.isolation_level is None


def test_the_file_and_its_companions_are_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        with Database.open(tmp_path / "x.db", create=True) as database:
            database.write(lambda conn: meta.put(conn, "k", 1))
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"x.db": 0o600, "x.db-wal": 0o600, "x.db-shm": 0o600}


def test_a_write_is_seen_by_other_connections(db, path):
    db.write(lambda conn: meta.put(conn, "k", {"a": [1]}))
    with Database.open(path, readonly=True) as reader:
        assert reader.read(lambda conn: meta.get(conn, "k")) == {"a": [1]}


def test_an_error_in_the_body_undoes_all_of_it(db):
    def body(conn):
        meta.put(conn, "k", 1)
        raise LookupError("half way")

    with pytest.raises(LookupError, match="half way"):
        db.write(body)
    assert db.read(lambda conn: meta.get(conn, "k")) is None
    db.write(lambda conn: meta.put(conn, "k", 2))
    assert db.read(lambda conn: meta.get(conn, "k")) == 2


def test_a_read_sees_one_unchanging_view(db, path):
    with Database.open(path) as writer:

        def body(conn):
            before = meta.get(conn, "k")
            writer.write(lambda other: meta.put(other, "k", "new"))
            return before, meta.get(conn, "k")

        assert db.read(body) == (None, None)
    assert db.read(lambda conn: meta.get(conn, "k")) == "new"


def test_a_locked_store_is_an_error_with_a_name(db, path):
    with Database.open(path) as other:
        other._conn.execute("PRAGMA busy_timeout = 1")
        db._conn.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            other.write(lambda conn: meta.put(conn, "k", 1))
        db._conn.execute("ROLLBACK")


def test_a_broken_constraint_is_a_bug_and_keeps_its_own_name(db):
    with pytest.raises(sqlite3.IntegrityError):
        db.write(lambda conn: conn.execute("INSERT INTO job_curve (job_id, points) VALUES ('nobody', '[]')"))


def test_the_data_version_tells_of_others_commits_only(db, path):
    first = db.data_version()
    db.write(lambda conn: meta.put(conn, "mine", 1))
    assert db.data_version() == first
    with Database.open(path) as other:
        other.write(lambda conn: meta.put(conn, "theirs", 1))
    assert db.data_version() != first


def test_a_reader_cannot_write(db, path):
    with Database.open(path, readonly=True) as reader, pytest.raises(StoreError, match="readonly"):
        reader.write(lambda conn: meta.put(conn, "k", 1))


def test_a_reader_opens_a_store_that_nobody_else_has_open(path):
    with Database.open(path, create=True) as database:
        database.write(lambda conn: meta.put(conn, "k", 1))
    assert not path.with_name("gpuwarden.db-wal").exists()
    with Database.open(path, readonly=True) as reader:
        assert reader.read(lambda conn: meta.get(conn, "k")) == 1


def test_a_missing_file_is_not_made_by_chance(path):
    with pytest.raises(StoreError, match="unable to open"):
        Database.open(path)
    assert not path.exists()


def test_a_path_of_any_bytes_works(tmp_path):
    path = tmp_path / os.fsdecode(b"odd ?#%41 \xff.db")
    with Database.open(path, create=True) as database:
        database.write(lambda conn: meta.put(conn, "k", 1))
    assert path.exists()


def test_a_connection_belongs_to_its_thread(db):
    seen = []

    def use():
        try:
            db.read(lambda conn: None)
        except sqlite3.ProgrammingError as error:
            seen.append(str(error))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "same thread" in seen[0]


def test_closing_twice_is_harmless(path):
    database = Database.open(path, create=True)
    database.close()
    database.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.read(lambda conn: None)


def test_a_sound_file_passes_the_quick_check(db):
    assert db.quick_check() is None


# --- the version of the file ---------------------------------------------------------------------------------------


def _rewrite(path, *statements):
    raw = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        raw.execute(statement)
    raw.close()


def test_another_programs_file_is_refused_and_left_alone(path):
    _rewrite(path, "PRAGMA application_id = 77", "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(ForeignFile, match=r"gpuwarden\.db belongs to another program"):
        Database.open(path, create=True)
    assert path.read_bytes() == before


def test_a_file_without_owner_but_with_tables_is_foreign(path):
    _rewrite(path, "CREATE TABLE theirs (x)")
    with pytest.raises(ForeignFile):
        Database.open(path, create=True)


def test_a_newer_schema_is_refused_with_both_versions(db, path):
    db.close()
    _rewrite(path, "PRAGMA user_version = 9")
    with pytest.raises(NewerSchema, match=f"schema 9; this version knows schemas up to {schema.SCHEMA_VERSION}:"):
        Database.open(path, create=True)


def test_an_older_schema_is_converted_only_by_who_may(db, path):
    db.close()
    _rewrite(path, "PRAGMA user_version = 0")
    with pytest.raises(OlderSchema, match="start the agent once"):
        Database.open(path)


def test_something_that_is_no_database_is_damaged(path):
    path.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(Damaged, match="not a database"):
        Database.open(path, create=True)


def test_a_creation_that_was_cut_short_is_finished(path):
    _rewrite(path, "PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = WAL")
    with Database.open(path, create=True) as database:
        assert database.read(lambda conn: meta.get(conn, "k")) is None


def test_an_old_sqlite_is_named(monkeypatch, path):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 33, 0))
    with pytest.raises(StoreError, match=r"needs 3\.34\.0 or newer"):
        Database.open(path, create=True)


# --- migrations ----------------------------------------------------------------------------------------------------


def _add_mood(conn):
    conn.execute("ALTER TABLE job ADD COLUMN mood TEXT")


def _rebuild_jobs(conn):
    conn.execute("CREATE TABLE job_new (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT")
    conn.execute("INSERT INTO job_new SELECT id, body FROM job")
    conn.execute("DROP TABLE job")
    conn.execute("ALTER TABLE job_new RENAME TO job")


@pytest.fixture
def old(conn):
    """A store of the first version with one job and its curve."""
    conn.execute("PRAGMA user_version = 1")
    conn.execute("INSERT INTO job (id, attempt, state, started_at, body) VALUES ('j', 1, 'running', 5, '{}')")
    conn.execute("INSERT INTO job_curve (job_id, points) VALUES ('j', '[]')")
    return conn


def test_a_store_of_the_first_version_becomes_what_a_new_one_is(conn, path, tmp_path):
    def shape(connection):
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        indexes = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index'")}
        return indexes, {n: connection.execute(f"PRAGMA table_info({n})").fetchall() for n in sorted(tables)}

    new = shape(conn)
    tables = ("gpu_hour", "disk_hour", "report_ledger", "alive", "channel_reference", "bucket", "message_group")
    for name in tables:
        conn.execute(f"DROP TABLE {name}")
    for name in ("delivery_created", "delivery_merged", "delivery_digest"):
        conn.execute(f"DROP INDEX {name}")
    conn.execute("CREATE TABLE job_key (key TEXT PRIMARY KEY, job_id TEXT NOT NULL REFERENCES job (id)) WITHOUT ROWID")
    conn.execute("CREATE INDEX job_key_job ON job_key (job_id)")
    conn.execute("PRAGMA user_version = 1")
    schema.prepare(conn, path)

    assert shape(conn) == new


def test_migrations_run_in_order_up_to_the_target(old, path):
    done = []
    steps = {2: lambda conn: done.append(2), 3: _add_mood}
    schema.prepare(old, path, migrations=steps, target=3)
    assert done == [2]
    assert old.execute("SELECT id, mood FROM job").fetchall() == [("j", None)]
    assert old.execute("PRAGMA user_version").fetchone() == (3,)


def test_a_migration_may_rebuild_a_table_without_losing_what_hangs_on_it(old, path):
    schema.prepare(old, path, migrations={2: _rebuild_jobs}, target=2)
    assert old.execute("SELECT job_id FROM job_curve").fetchall() == [("j",)]
    assert old.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_a_migration_that_fails_leaves_the_last_good_version(old, path):
    def fail(conn):
        conn.execute("DELETE FROM job_curve")
        raise LookupError("no")

    with pytest.raises(LookupError):
        schema.prepare(old, path, migrations={2: _add_mood, 3: fail}, target=3)
    assert old.execute("PRAGMA user_version").fetchone() == (2,)
    assert old.execute("SELECT count(*) FROM job_curve").fetchone() == (1,)
    assert old.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_a_migration_that_orphans_rows_is_undone(old, path):
    with pytest.raises(StoreError, match="left 1 rows without their parent"):
        schema.prepare(old, path, migrations={2: lambda conn: conn.execute("DELETE FROM job")}, target=2)
    assert old.execute("SELECT count(*) FROM job").fetchone() == (1,)
