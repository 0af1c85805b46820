-- The agent's memory: one SQLite file. Times are UTC milliseconds; JSON columns hold `core.codec` encodings.
-- Raise `SCHEMA_VERSION` in schema.py and add a migration there with every change of this file.
-- Tables whose rows hold a JSON body keep their rowid: SQLite's other form is meant for short rows.

-- What sources reported. The id is derived from the place a fact was read from: reading again is harmless.
CREATE TABLE event (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL UNIQUE,
    source  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    fact    TEXT NOT NULL
);
CREATE INDEX event_at ON event (at);

-- Where each source stands; committed together with the events found up to there.
CREATE TABLE checkpoint (
    source  TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (source, key)
) WITHOUT ROWID;

CREATE TABLE job (
    id          TEXT PRIMARY KEY,
    attempt     INTEGER NOT NULL,
    state       TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    body        TEXT NOT NULL
);
CREATE INDEX job_open ON job (started_at) WHERE ended_at IS NULL;
CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;

-- At most 512 points a job: step, time, loss, throughput.
CREATE TABLE job_curve (
    job_id  TEXT PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    points  TEXT NOT NULL
);

-- What each GPU did in each hour, in seconds, joules and bytes: in all (no job), and for each job that held it.
CREATE TABLE gpu_hour (
    hour        INTEGER NOT NULL,
    gpu         TEXT NOT NULL,
    job_id      TEXT NOT NULL,
    seen        REAL NOT NULL,
    held        REAL NOT NULL,
    measured    REAL NOT NULL,
    busy        REAL NOT NULL,
    idle        REAL NOT NULL,
    energy      REAL,
    memory_peak INTEGER,
    PRIMARY KEY (hour, gpu, job_id)
) WITHOUT ROWID;

-- Room on each file system as last seen in each hour: bytes, and what users may still write.
CREATE TABLE disk_hour (
    hour        INTEGER NOT NULL,
    mountpoint  TEXT NOT NULL,
    used        REAL NOT NULL,
    avail       INTEGER NOT NULL,
    files_free  INTEGER NOT NULL,
    PRIMARY KEY (hour, mountpoint)
) WITHOUT ROWID;

-- Episodes of conditions (firing, resolved) and one-shot events.
CREATE TABLE alert (
    id          TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    type        TEXT NOT NULL,
    status      TEXT NOT NULL,
    severity    INTEGER NOT NULL,
    starts_at   INTEGER NOT NULL,
    ends_at     INTEGER,
    job_id      TEXT,
    body        TEXT NOT NULL
);
CREATE UNIQUE INDEX alert_one_open ON alert (fingerprint) WHERE status = 'firing';
CREATE INDEX alert_starts ON alert (starts_at);
CREATE INDEX alert_fingerprint ON alert (fingerprint, starts_at);
CREATE INDEX alert_type ON alert (type, starts_at);
CREATE INDEX alert_job ON alert (job_id, starts_at) WHERE job_id IS NOT NULL;

-- The outbox and its history.
-- `seq` is the order of insertion: it holds the line of a fingerprint together even when the clock is set back.
-- `alert_starts_at` repeats the alert's, so that one channel's history is one index.
CREATE TABLE delivery (
    seq             INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    notification_id TEXT NOT NULL,
    alert_id        TEXT NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    alert_starts_at INTEGER NOT NULL,
    fingerprint     TEXT NOT NULL,
    channel         TEXT NOT NULL,
    channel_type    TEXT NOT NULL,
    kind            TEXT NOT NULL,
    sequence        INTEGER NOT NULL,
    severity        INTEGER NOT NULL,
    state           TEXT NOT NULL,
    reason          TEXT,
    created_at      INTEGER NOT NULL,
    next_at         INTEGER NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    uncertain       INTEGER NOT NULL DEFAULT 0,
    plain           INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    delivered_at    INTEGER,
    dead_at         INTEGER,
    provider_ref    TEXT,
    merged_into     TEXT,
    lease_owner     TEXT,
    lease_until     INTEGER,
    snapshot        TEXT NOT NULL
);
CREATE INDEX delivery_alert ON delivery (alert_id, seq);
CREATE INDEX delivery_history ON delivery (channel, alert_starts_at, alert_id);
CREATE INDEX delivery_dead ON delivery (channel, dead_at) WHERE state = 'dead';
-- Whose turn it is: critical first, then the oldest.
CREATE INDEX delivery_turn ON delivery (channel, (severity = 3) DESC, created_at, seq)
    WHERE state IN ('queued', 'sending');
-- Who stands before whom: one line for each fingerprint and channel.
CREATE INDEX delivery_line ON delivery (fingerprint, channel, seq, state)
    WHERE state IN ('queued', 'sending', 'deferred');
CREATE INDEX delivery_due ON delivery (channel, next_at) WHERE state = 'queued';
CREATE INDEX delivery_sending ON delivery (channel) WHERE state = 'sending';
-- What a digest tells, and the digests to come.
CREATE INDEX delivery_merged ON delivery (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX delivery_digest ON delivery (channel) WHERE kind = 'digest' AND state IN ('queued', 'sending');
-- What was owed in a period, for reports and for `explain --between`.
CREATE INDEX delivery_created ON delivery (created_at);

CREATE TABLE attempt (
    delivery_id TEXT NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    n           INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    outcome     TEXT,
    status      INTEGER,
    error       TEXT,
    PRIMARY KEY (delivery_id, n)
) WITHOUT ROWID;

CREATE TABLE decision (
    seq         INTEGER PRIMARY KEY,
    alert_id    TEXT NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    at          INTEGER NOT NULL,
    channel     TEXT,
    kind        TEXT NOT NULL,
    stage       TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    until       INTEGER
);
CREATE INDEX decision_alert ON decision (alert_id, seq);
CREATE INDEX decision_at ON decision (at);

-- What each channel has been told, by accepted messages; kept as long as an episode is open.
CREATE TABLE channel_ledger (
    fingerprint             TEXT NOT NULL,
    channel                 TEXT NOT NULL,
    alert_id                TEXT,
    open_announced          INTEGER NOT NULL DEFAULT 0,
    last_accepted_at        INTEGER,
    last_accepted_kind      TEXT,
    last_accepted_severity  INTEGER,
    last_fired_at           INTEGER,
    provider_ref            TEXT,
    PRIMARY KEY (fingerprint, channel)
) WITHOUT ROWID;

-- What a provider called things that later messages go on from: its thread about a job (`job:ID`), or the new address
-- of the channel itself (`channel`). What it called a message or an object is in the ledger.
CREATE TABLE channel_reference (
    channel TEXT NOT NULL,
    about   TEXT NOT NULL,
    ref     TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (channel, about)
) WITHOUT ROWID;

CREATE TABLE channel_state (
    channel         TEXT PRIMARY KEY,
    paused_until    INTEGER,
    reason          TEXT,
    detail          TEXT,
    failures        INTEGER NOT NULL DEFAULT 0,
    failing_since   INTEGER,
    last_success_at INTEGER,
    last_failure_at INTEGER,
    failure_count   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- How much each channel may still be sent.
CREATE TABLE bucket (
    channel     TEXT PRIMARY KEY,
    tokens      REAL NOT NULL,
    updated_at  INTEGER NOT NULL
) WITHOUT ROWID;

-- When each group of alerts was last told of.
CREATE TABLE message_group (
    channel     TEXT NOT NULL,
    key         TEXT NOT NULL,
    told_at     INTEGER NOT NULL,
    PRIMARY KEY (channel, key)
) WITHOUT ROWID;

CREATE TABLE silence (
    id          TEXT PRIMARY KEY,
    starts_at   INTEGER NOT NULL,
    ends_at     INTEGER NOT NULL,
    author      TEXT NOT NULL,
    comment     TEXT NOT NULL,
    alert_id    TEXT,
    match       TEXT NOT NULL
) WITHOUT ROWID;

-- Periods that have been reported: each at most once.
CREATE TABLE report_ledger (
    period      TEXT PRIMARY KEY,
    ends_at     INTEGER NOT NULL,
    made_at     INTEGER NOT NULL
) WITHOUT ROWID;

-- When an agent was alive: one row from a start to the last sign of life.
CREATE TABLE alive (
    began       INTEGER PRIMARY KEY,
    seen        INTEGER NOT NULL
);

-- Small named facts: the evaluator's cursor, the state of each rule, whether the last stop was clean.
CREATE TABLE meta (
    key     TEXT PRIMARY KEY,
    value   TEXT NOT NULL
) WITHOUT ROWID;
