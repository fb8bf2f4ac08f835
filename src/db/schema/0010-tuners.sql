-- Devices that look like HDHomeRun tuners: the name of each, for ever.
CREATE TABLE tuner_devices (
    device INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
) STRICT;

-- The device and the number of each channel that was ever listed on one.
CREATE TABLE tuner_channels (
    channel TEXT NOT NULL PRIMARY KEY,
    device INTEGER NOT NULL,
    -- The channel's own number when it got this one.
    wanted TEXT NOT NULL,
    number TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

CREATE INDEX tuner_channels_device ON tuner_channels (device);
