"""The version of the file: who made it, which shape it has, and how an older shape becomes the present one."""

import sqlite3
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

from agent.store.errors import ForeignFile, NewerSchema, OlderSchema, StoreError

APPLICATION_ID = 0x47505557
"""`GPUW` in ASCII: what `file` and SQLite show as the owner of the database."""

SCHEMA_VERSION = 6

Migration = Callable[[sqlite3.Connection], None]


def _keep_gpu_hours(conn: sqlite3.Connection) -> None:
    conn.execute(
        "CREATE TABLE gpu_hour (hour INTEGER NOT NULL, gpu TEXT NOT NULL, job_id TEXT NOT NULL, seen REAL NOT NULL, "
        "held REAL NOT NULL, measured REAL NOT NULL, busy REAL NOT NULL, idle REAL NOT NULL, energy REAL, "
        "memory_peak INTEGER, PRIMARY KEY (hour, gpu, job_id)) WITHOUT ROWID"
    )


def _add_references(conn: sqlite3.Connection) -> None:
    conn.execute(
        "CREATE TABLE channel_reference (channel TEXT NOT NULL, about TEXT NOT NULL, ref TEXT NOT NULL, "
        "at INTEGER NOT NULL, PRIMARY KEY (channel, about)) WITHOUT ROWID"
    )


def _keep_what_reports_need(conn: sqlite3.Connection) -> None:
    conn.execute(
        "CREATE TABLE disk_hour (hour INTEGER NOT NULL, mountpoint TEXT NOT NULL, used REAL NOT NULL, "
        "avail INTEGER NOT NULL, files_free INTEGER NOT NULL, PRIMARY KEY (hour, mountpoint)) WITHOUT ROWID"
    )
    conn.execute(
        "CREATE TABLE report_ledger (period TEXT PRIMARY KEY, ends_at INTEGER NOT NULL, made_at INTEGER NOT NULL) "
        "WITHOUT ROWID"
    )
    conn.execute("CREATE TABLE alive (began INTEGER PRIMARY KEY, seen INTEGER NOT NULL)")
    conn.execute("CREATE INDEX delivery_created ON delivery (created_at)")


def _limit_and_gather(conn: sqlite3.Connection) -> None:
    conn.execute(
        "CREATE TABLE bucket (channel TEXT PRIMARY KEY, tokens REAL NOT NULL, updated_at INTEGER NOT NULL) "
        "WITHOUT ROWID"
    )
    conn.execute(
        "CREATE TABLE message_group (channel TEXT NOT NULL, key TEXT NOT NULL, told_at INTEGER NOT NULL, "
        "PRIMARY KEY (channel, key)) WITHOUT ROWID"
    )
    conn.execute("CREATE INDEX delivery_merged ON delivery (merged_into) WHERE merged_into IS NOT NULL")
    conn.execute(
        "CREATE INDEX delivery_digest ON delivery (channel) WHERE kind = 'digest' AND state IN ('queued', 'sending')"
    )


def _forget_keys_of_jobs(conn: sqlite3.Connection) -> None:
    conn.execute("DROP TABLE job_key")  # each job's own row holds its keys


MIGRATIONS: Mapping[int, Migration] = {
    2: _keep_gpu_hours, 3: _keep_what_reports_need, 4: _add_references, 5: _limit_and_gather,
    6: _forget_keys_of_jobs,
}
"""By the version they lead to. Each runs in a transaction of its own, with foreign keys off until the end."""

OLDEST_SQLITE = (3, 34, 0)
"""What RHEL 9 and its kin link their Python with. STRICT tables would need 3.37."""


def require_sqlite() -> None:
    """Raise StoreError where Python is linked with an SQLite that cannot read the schema."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(str(part) for part in OLDEST_SQLITE)
        raise StoreError(f"this Python uses SQLite {sqlite3.sqlite_version}; gpuwarden needs {needed} or newer")


def prepare(
    conn: sqlite3.Connection, path: Path, *, migrations: Mapping[int, Migration] = MIGRATIONS,
    target: int = SCHEMA_VERSION,
) -> None:
    """Create the tables of an empty file, or bring an older one up to `target`.

    Raises ForeignFile or NewerSchema and then leaves the file as it was.
    """
    if is_empty(conn):
        _create(conn, target)
        return
    found = _version(conn, path, target)
    if found < target:
        _migrate(conn, path, migrations, found, target)


def verify(conn: sqlite3.Connection, path: Path) -> None:
    """Raise unless the file has exactly the present shape."""
    found = _version(conn, path, SCHEMA_VERSION)
    if found < SCHEMA_VERSION:
        raise OlderSchema(
            f"{path} has schema {found} and this version uses {SCHEMA_VERSION}: start the agent once to convert it"
        )


def is_empty(conn: sqlite3.Connection) -> bool:
    """Whether the file is new, or its creation was cut short before any table was there."""
    (tables,) = conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return tables == 0 and _pragma(conn, "application_id") in (0, APPLICATION_ID)


def _version(conn: sqlite3.Connection, path: Path, supported: int) -> int:
    owner = _pragma(conn, "application_id")
    if owner != APPLICATION_ID:
        raise ForeignFile(f"{path} belongs to another program (application id {owner:#x}, not {APPLICATION_ID:#x})")
    found = _pragma(conn, "user_version")
    if found > supported:
        raise NewerSchema(
            f"{path} has schema {found}; this version knows schemas up to {supported}: install the newer gpuwarden "
            "again, or choose another state directory"
        )
    return found


def _create(conn: sqlite3.Connection, version: int) -> None:
    tables = (files("agent.store") / "schema.sql").read_text(encoding="utf-8")
    conn.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect only before the first table
    script = f"{tables}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {version};"
    try:
        conn.executescript(f"BEGIN IMMEDIATE;\n{script}\nCOMMIT;")
    finally:
        _roll_back(conn)


def _migrate(
    conn: sqlite3.Connection, path: Path, migrations: Mapping[int, Migration], found: int, target: int
) -> None:
    conn.execute("PRAGMA foreign_keys = OFF")  # rebuilding a table must not cascade; has no effect in a transaction
    try:
        for version in range(found + 1, target + 1):
            _step(conn, path, migrations[version], version)
    finally:
        conn.execute("PRAGMA foreign_keys = ON")


def _step(conn: sqlite3.Connection, path: Path, migration: Migration, version: int) -> None:
    conn.execute("BEGIN IMMEDIATE")
    try:
        migration(conn)
        orphans = conn.execute("PRAGMA foreign_key_check").fetchall()
        if orphans:
            raise StoreError(f"{path}: converting to schema {version} left {len(orphans)} rows without their parent")
        conn.execute(f"PRAGMA user_version = {version:d}")
        conn.execute("COMMIT")
    finally:
        _roll_back(conn)


def _roll_back(conn: sqlite3.Connection) -> None:
    if conn.in_transaction:
        conn.execute("ROLLBACK")


def _pragma(conn: sqlite3.Connection, name: str) -> int:
    (value,) = conn.execute(f"PRAGMA {name}").fetchone()
    return int(value)
