-- Channels that were made through the API.
CREATE TABLE relays (
    -- Never given twice, so that an id in a client's list never means another relay.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The channel's id, which is its name in addresses.
    path TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    number INTEGER UNIQUE,
    group_title TEXT,
    -- The channel in the words of the configuration file, as one JSON object. It may hold passwords.
    spec TEXT NOT NULL,
    -- Seconds since 1970.
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
