-- What lists show of a relay, and look for in it: no list reads the whole object.
ALTER TABLE relays ADD COLUMN logo TEXT;
ALTER TABLE relays ADD COLUMN tvg_id TEXT;
-- Name and group, folded (`forebay_core::lineup::names::fold`), with a line break between.
ALTER TABLE relays ADD COLUMN search TEXT NOT NULL DEFAULT '';

UPDATE relays SET
    logo = spec ->> '$.logo',
    tvg_id = spec ->> '$.tvg_id',
    search = fold(name) || char(10) || fold(coalesce(group_title, ''))
-- A row that somebody has damaged by hand is told of when it is read.
WHERE json_valid(spec);

-- A narrow copy in the order of lists, to be searched and counted through.
CREATE INDEX relays_search ON relays (id, search);
