-- What lists say of the archive of a relay: its time-shift, in the words of its object.
ALTER TABLE relays ADD COLUMN timeshift TEXT;

UPDATE relays SET timeshift = spec ->> '$.timeshift'
-- A row that somebody has damaged by hand is told of when it is read.
WHERE json_valid(spec);
