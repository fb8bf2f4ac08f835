-- Whose word a playlist's addresses are, and which of its channels cannot be played for that.

-- A command on this machine gave it its list, and may name private networks, as the configuration
-- file may.
ALTER TABLE playlists ADD COLUMN is_of_host INTEGER NOT NULL DEFAULT 0;
-- Whether its channels were written as such that may be on private networks; NULL where nobody has
-- looked yet. Where that is another one now, they are written anew.
ALTER TABLE playlists ADD COLUMN reaches_private INTEGER;
-- Why the source of a channel cannot be opened, by a number; 0 where it can be tried.
ALTER TABLE channels ADD COLUMN unusable INTEGER NOT NULL DEFAULT 0;

-- An import of a long list spends its time on indices. One in the order of lists does for viewers
-- and admins, and the channels of a playlist are found by its sources.
DROP INDEX channels_by_rank;
DROP INDEX channels_of_playlist;
DROP INDEX channels_all;
CREATE INDEX channels_by_rank ON channels (rank, is_shown, leader, playlist_id, search);
-- A new group comes behind all others.
CREATE INDEX channel_groups_by_position ON channel_groups (position);
