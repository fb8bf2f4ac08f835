-- How many days of the past the provider of a channel has kept; 0 where it has no archive, or one of
-- which no address can be made.
ALTER TABLE channels ADD COLUMN archive_days INTEGER NOT NULL DEFAULT 0;

-- A channel has the archives of all of its sources: its own, and those of the channels behind it.
DROP VIEW lineup_channels;
CREATE VIEW lineup_channels AS
    SELECT id, rank, path, number, number_minor, name, nullif(group_title, '') AS group_title,
           nullif(logo, '') AS logo, nullif(guide_id, '') AS tvg_id, gracenote_id, is_adult, search,
           guide_shift,
           max(iif(is_absent, 0, archive_days),
               coalesce((SELECT max(behind.archive_days) FROM channels AS behind
                         WHERE behind.leader = channels.id
                           AND NOT behind.is_absent AND NOT behind.is_duplicate), 0)) AS archive_days
    FROM channels
    WHERE is_shown AND leader IS NULL;

-- What the head of a list says of all archives was not kept: the next refresh reads it again, and
-- the channels are written anew.
UPDATE refreshes SET digest = zeroblob(32), etag = NULL, last_modified = NULL;
UPDATE playlists SET reaches_private = NULL;
