-- The queue of jobs. Times are milliseconds since 1970.

-- A life of the server each. What an earlier life left running is interrupted.
CREATE TABLE boots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL
) STRICT;

-- Kinds of jobs of which none begins.
CREATE TABLE paused_jobs (
    kind TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    -- Never used again, since files are named by it.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    -- What it works on, as JSON.
    args TEXT NOT NULL,
    -- 0 is the most urgent.
    priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 3),
    -- No two jobs that wait or run have the same.
    unique_key TEXT,
    -- Who added it, as the audit log names it.
    owner TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('waiting', 'delayed', 'running', 'cancelling', 'completed', 'failed', 'cancelled')),
    -- Since when it can run, or when its next attempt is due; and what follows from it and from the
    -- priority (`forebay_core::jobs::rank`).
    due_at INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    -- Attempts that have begun, and those that failed.
    begun INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    -- The life in which it runs.
    boot INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    -- From 0 to 1, some seconds old.
    progress REAL,
    -- As JSON.
    result TEXT,
    -- Of the last attempt that failed.
    error TEXT
) STRICT;

CREATE UNIQUE INDEX jobs_unique ON jobs (unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('waiting', 'delayed', 'running');
CREATE INDEX jobs_next ON jobs (kind, rank, id) WHERE state = 'waiting';
CREATE INDEX jobs_delayed ON jobs (due_at) WHERE state = 'delayed';
CREATE INDEX jobs_running ON jobs (id) WHERE state IN ('running', 'cancelling');
CREATE INDEX jobs_finished ON jobs (state, finished_at)
    WHERE state IN ('completed', 'failed', 'cancelled');
