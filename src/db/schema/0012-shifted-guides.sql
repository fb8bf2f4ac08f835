-- Seconds that are to be added to the times of a channel's guide: `tvg-shift` of its list, in hours.
ALTER TABLE channels ADD COLUMN guide_shift INTEGER NOT NULL DEFAULT 0;

DROP VIEW lineup_channels;
CREATE VIEW lineup_channels AS
    SELECT id, rank, path, number, number_minor, name, nullif(group_title, '') AS group_title,
           nullif(logo, '') AS logo, nullif(guide_id, '') AS tvg_id, gracenote_id, is_adult, search,
           guide_shift
    FROM channels
    WHERE is_shown AND leader IS NULL;

-- What the head of a list says of all its channels was not kept: the next refresh reads it again, and
-- writes the channels anew.
UPDATE refreshes SET digest = zeroblob(32), etag = NULL, last_modified = NULL;
UPDATE playlists SET reaches_private = NULL;
