-- People: those who administer, and those who watch.
CREATE TABLE users (
    -- Never given twice, as other ids.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    -- What the user is and may do, as one JSON object. It holds no secret.
    spec TEXT NOT NULL,
    -- argon2id, in the format of PHC; null where nobody can sign in.
    password TEXT,
    -- Stands for the user in addresses of streams, which outlive passwords.
    stream_key TEXT NOT NULL UNIQUE,
    -- Seconds since 1970, as all times here.
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- Browsers that are signed in.
CREATE TABLE user_sessions (
    -- SHA-256 of what the browser has.
    hash BLOB PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- The host at which the user signed in, as in `Host`: the session holds for this one only.
    host TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX user_sessions_user ON user_sessions (user, created_at);

-- Keys of programs.
CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    -- SHA-256 of the key, which is shown once.
    hash BLOB NOT NULL UNIQUE,
    -- How the key begins, so that people know which one it is.
    hint TEXT NOT NULL,
    -- A JSON array of words.
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
) STRICT;

-- What was changed by whom. Rows are only added.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    -- JSON objects without secrets; null where there was or is nothing.
    before TEXT,
    after TEXT
) STRICT;

-- Keys that sign the tokens of streams. An old one stays as long as tokens that it has signed may live.
CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    secret BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- Tokens of streams. Rows stay for longer than a day, so that cleaning up frees no limit.
CREATE TABLE stream_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- SHA-256 of the token, which is shown once.
    hash BLOB NOT NULL UNIQUE,
    -- Who made it: `user:7`, `key:3`, `address:192.168.0.9`.
    owner TEXT NOT NULL,
    -- What may be watched, and by whom, as one JSON object.
    spec TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX stream_tokens_owner ON stream_tokens (owner, created_at);
CREATE INDEX stream_tokens_created ON stream_tokens (created_at);
