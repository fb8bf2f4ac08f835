-- Files that are films, or were: each keeps its id.
CREATE TABLE films (
    -- A UUID.
    id TEXT PRIMARY KEY,
    -- As bytes, since a name of a file need not be text.
    path BLOB NOT NULL UNIQUE,
    -- Which file it was when it was read, and in which state: one that is the same is not read again.
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    -- Nanoseconds since 1970.
    modified INTEGER NOT NULL,
    -- Microseconds, where it can be played in parts.
    duration INTEGER,
    -- Why it cannot.
    refusal TEXT
) STRICT;
