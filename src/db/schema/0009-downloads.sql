-- Files of video platforms that people keep, and figures of the last day. Times are milliseconds
-- since 1970.

CREATE TABLE downloads (
    -- Never used again, since files are named by it.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Whose it is, as the owners of stream tokens are named.
    owner TEXT NOT NULL,
    -- `youtube/dQw4w9WgXcQ`, and what the platform calls the form.
    page TEXT NOT NULL,
    format TEXT NOT NULL,
    title TEXT NOT NULL,
    -- `1080p`, and `mp4`.
    quality TEXT NOT NULL,
    extension TEXT NOT NULL,
    -- An active one has a job that waits or runs.
    state TEXT NOT NULL CHECK (state IN ('active', 'paused', 'completed', 'failed')),
    -- Bytes of the whole file, and what tells its state from any other; both known once it began.
    total INTEGER,
    tag TEXT,
    -- Bytes from the beginning on that are on the disk for certain.
    kept INTEGER NOT NULL DEFAULT 0,
    -- Why it has failed.
    error TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;

CREATE INDEX downloads_owner ON downloads (owner, id);

-- One for each minute, as JSON.
CREATE TABLE metric_minutes (
    at INTEGER PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;
