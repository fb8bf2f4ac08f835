-- Channels of playlists.
--
-- A row of `channels` is what everybody sees of one channel, ready to be listed; the row of
-- `sources` with the same id is what its provider says of it. The first follows from the second, the
-- rules of its playlist, the edits of users, the numbers that are taken, and merging. Whoever
-- changes one of these writes the rows of `channels` in the same transaction, so readers never
-- compute anything.
--
-- Who lists channels reads `lineup_channels` in the order of `rank`, from any place on:
-- `WHERE rank > ? ORDER BY rank LIMIT ?`. Who looks one up reads `channels` where `is_shown`: those
-- behind a leader are not listed, but go on playing under their own addresses.

-- A list of channels that somebody else makes, and that is read again and again.
CREATE TABLE playlists (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Its id in the configuration file; NULL for one that was made through the API.
    file_key TEXT UNIQUE,
    name TEXT NOT NULL UNIQUE,
    -- Where it is, and how it is read, as one JSON object. It may hold passwords.
    settings TEXT NOT NULL,
    -- Seconds since 1970; so it is with all times here.
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

-- The document that a playlist's sources are of.
CREATE TABLE refreshes (
    playlist_id INTEGER PRIMARY KEY REFERENCES playlists ON DELETE CASCADE,
    -- When it was taken. One that is unchanged writes nothing.
    taken_at INTEGER NOT NULL,
    -- SHA-256 of the document, and the server's marks of it.
    digest BLOB NOT NULL,
    etag TEXT,
    last_modified TEXT,
    -- What was in it, as one JSON object.
    summary TEXT NOT NULL
) STRICT;

-- A document that was not taken: an admin is to accept or to discard it.
CREATE TABLE held_refreshes (
    playlist_id INTEGER PRIMARY KEY REFERENCES playlists ON DELETE CASCADE,
    held_at INTEGER NOT NULL,
    digest BLOB NOT NULL,
    -- Why, as one JSON object.
    reason TEXT NOT NULL,
    is_acceptable INTEGER NOT NULL,
    -- The file that holds it, in the folder of held documents.
    file TEXT NOT NULL
) STRICT;

-- What a panel says of an account.
CREATE TABLE accounts (
    playlist_id INTEGER PRIMARY KEY REFERENCES playlists ON DELETE CASCADE,
    status TEXT NOT NULL,
    expires_at INTEGER,
    max_connections INTEGER,
    is_trial INTEGER NOT NULL,
    message TEXT NOT NULL,
    -- The zone of times in its guide and archive: a name, and seconds ahead of UTC.
    time_zone TEXT NOT NULL,
    utc_offset INTEGER
) STRICT;

-- Rules of a playlist, in their order, each as one JSON object.
CREATE TABLE rules (
    playlist_id INTEGER NOT NULL REFERENCES playlists ON DELETE CASCADE,
    position INTEGER NOT NULL,
    rule TEXT NOT NULL,
    PRIMARY KEY (playlist_id, position)
) STRICT, WITHOUT ROWID;

-- A source of a playlist. Its identity is known by `key`: the provider's number of the stream, else
-- the guide id and the name. Its address is only one of its attributes.
CREATE TABLE sources (
    -- Never given twice, and that of its channel.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    playlist_id INTEGER NOT NULL REFERENCES playlists ON DELETE CASCADE,
    key BLOB NOT NULL,
    -- Marks by which a refresh sees what is equal: of everything, of the address, of the name.
    content INTEGER NOT NULL,
    address INTEGER NOT NULL,
    name INTEGER NOT NULL,
    -- Since when the playlist does not have it.
    absent_since INTEGER,
    -- The entry of the list, as one JSON array. It may hold passwords.
    entry TEXT NOT NULL
) STRICT;

CREATE INDEX sources_of_playlist ON sources (playlist_id);

-- Groups keep their place in lists whatever a refresh brings.
CREATE TABLE channel_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    playlist_id INTEGER NOT NULL REFERENCES playlists ON DELETE CASCADE,
    -- The mark of its name, without capitals and accents.
    key INTEGER NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    UNIQUE (playlist_id, key)
) STRICT;

-- Channels as everybody sees them. Texts are empty where there is nothing.
CREATE TABLE channels (
    id INTEGER PRIMARY KEY REFERENCES sources ON DELETE CASCADE,
    playlist_id INTEGER NOT NULL,
    -- Its name in addresses, which never changes.
    path TEXT NOT NULL UNIQUE,
    -- Its place in lists: that of its group, then its own.
    rank INTEGER NOT NULL,
    -- 5.1 is 5 and 1; a whole number has 0.
    number INTEGER,
    number_minor INTEGER NOT NULL,
    name TEXT NOT NULL,
    group_id INTEGER NOT NULL REFERENCES channel_groups,
    group_title TEXT NOT NULL,
    logo TEXT NOT NULL,
    guide_id TEXT NOT NULL,
    gracenote_id TEXT NOT NULL,
    -- Name and group, folded (`forebay_core::lineup::names::fold`), with a line break between.
    search TEXT NOT NULL,
    is_adult INTEGER NOT NULL,
    -- 1 where a rule leaves it out of lists, 2 where a user does.
    is_hidden INTEGER NOT NULL,
    -- Its source is absent, or has no address that could be opened.
    is_absent INTEGER NOT NULL,
    -- What its number has to be in, if a rule says so.
    range_start INTEGER,
    range_end INTEGER,
    -- Marks by which it may be one with channels of other playlists; 0 where there is none.
    merge_guide_id INTEGER NOT NULL,
    merge_name INTEGER NOT NULL,
    merge_source INTEGER NOT NULL,
    -- The channel that it is one with, and that is listed for both.
    leader INTEGER REFERENCES channels ON DELETE SET NULL,
    -- Another channel of its group has the same source.
    is_duplicate INTEGER NOT NULL DEFAULT 0,
    -- It can be had: it is not hidden, and has a source itself or behind it.
    is_shown INTEGER NOT NULL
) STRICT;

-- A narrow copy in the order of lists, to be searched and counted through.
CREATE INDEX channels_by_rank ON channels (rank, search) WHERE is_shown AND leader IS NULL;
CREATE INDEX channels_by_number ON channels (number) WHERE is_shown AND leader IS NULL;
CREATE INDEX channels_behind ON channels (leader) WHERE leader IS NOT NULL;
CREATE INDEX channels_of_playlist ON channels (playlist_id, rank);
-- For admins, who see those too that are not listed.
CREATE INDEX channels_all ON channels (rank);
CREATE INDEX channels_of_group ON channels (group_id);

-- What lists show.
CREATE VIEW lineup_channels AS
    SELECT id, rank, path, number, number_minor, name, nullif(group_title, '') AS group_title,
           nullif(logo, '') AS logo, nullif(guide_id, '') AS tvg_id, gracenote_id, is_adult, search
    FROM channels
    WHERE is_shown AND leader IS NULL;

-- One row, whose number grows with each transaction that changes what lists show.
CREATE TABLE lineup_version (version INTEGER NOT NULL) STRICT;
INSERT INTO lineup_version VALUES (0);

-- What users have set, a field at a time, above the playlist and its rules.
CREATE TABLE edits (
    channel_id INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (channel_id, field)
) STRICT, WITHOUT ROWID;

-- Edits that were made at once, to be undone at once.
CREATE TABLE edit_batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    made_at INTEGER NOT NULL
) STRICT;

CREATE TABLE edit_batch_items (
    batch_id INTEGER NOT NULL REFERENCES edit_batches ON DELETE CASCADE,
    channel_id INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
    field TEXT NOT NULL,
    -- NULL where nothing was set.
    before TEXT,
    PRIMARY KEY (batch_id, channel_id, field)
) STRICT, WITHOUT ROWID;

CREATE INDEX edit_batch_items_of_channel ON edit_batch_items (channel_id);

-- What users say of two channels: `force` makes them one, `forbid` keeps them two.
CREATE TABLE merge_decisions (
    channel_id INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
    other_id INTEGER NOT NULL REFERENCES channels ON DELETE CASCADE,
    decision TEXT NOT NULL,
    PRIMARY KEY (channel_id, other_id),
    CHECK (channel_id < other_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX merge_decisions_of_other ON merge_decisions (other_id);
