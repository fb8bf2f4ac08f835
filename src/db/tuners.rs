//! Channels as tuners: which device and which number each channel has, for ever.

use forebay_core::tuners::{DeviceId, MAX_DEVICES, Tuned};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::Error;

/// The places of all channels that ever had one.
pub fn all(connection: &Connection) -> Result<Vec<Tuned>, Error> {
    let mut statement = connection.prepare("SELECT channel, device, wanted, number FROM tuner_channels")?;
    let rows = statement.query_map([], |row| {
        Ok(Tuned { channel: row.get(0)?, device: row.get(1)?, wanted: row.get(2)?, number: row.get(3)? })
    })?;
    rows.map(|row| Ok(row?)).collect()
}

/// Writes these places, each instead of the one that its channel had.
pub fn put(connection: &Connection, places: &[Tuned]) -> Result<(), Error> {
    // All before any: two channels may have changed their numbers.
    let mut statement = connection.prepare("DELETE FROM tuner_channels WHERE channel = ?")?;
    for Tuned { channel, .. } in places {
        statement.execute([channel])?;
    }
    let sql = "INSERT INTO tuner_channels (channel, device, wanted, number) VALUES (?, ?, ?, ?)";
    let mut statement = connection.prepare(sql)?;
    for Tuned { channel, device, wanted, number } in places {
        statement.execute(params![channel, device, wanted, number])?;
    }
    Ok(())
}

/// The channel with this number.
pub fn channel(connection: &Connection, number: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT channel FROM tuner_channels WHERE number = ?";
    Ok(connection.query_row(sql, [number], |row| row.get(0)).optional()?)
}

/// The devices that have channels, and the first one, which is there even without; each with its
/// name, if it has one.
pub fn devices(connection: &Connection) -> Result<Vec<(u32, Option<DeviceId>)>, Error> {
    let sql = "SELECT used.device, id \
               FROM (SELECT 1 AS device UNION SELECT device FROM tuner_channels) AS used \
               LEFT JOIN tuner_devices ON tuner_devices.device = used.device ORDER BY 1 LIMIT ?";
    let mut statement = connection.prepare(sql)?;
    let rows =
        statement.query_map([MAX_DEVICES], |row| Ok((row.get(0)?, row.get::<_, Option<String>>(1)?)))?;
    rows.map(|row| {
        let (device, id) = row?;
        Ok((device, id.and_then(|id| DeviceId::of_another_program(&id))))
    })
    .collect()
}

/// Whether any channel is on this device. The first one is there even without.
pub fn is_used(connection: &Connection, device: u32) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM tuner_channels WHERE device = ?)";
    Ok(device == 1 || connection.query_row(sql, [device], |row| row.get(0))?)
}

/// The name of a device, if it has one.
pub fn device_id(connection: &Connection, device: u32) -> Result<Option<DeviceId>, Error> {
    let sql = "SELECT id FROM tuner_devices WHERE device = ?";
    let id: Option<String> = connection.query_row(sql, [device], |row| row.get(0)).optional()?;
    Ok(id.and_then(|id| DeviceId::of_another_program(&id)))
}

/// Names a device, unless it has a name; that name.
pub fn name_device(connection: &Connection, device: u32, id: &DeviceId) -> Result<DeviceId, Error> {
    // Of two who ask for the first time at once, both must get the same name.
    let sql = "INSERT INTO tuner_devices (device, id) VALUES (?, ?) ON CONFLICT DO NOTHING";
    connection.execute(sql, params![device, id.to_string()])?;
    Ok(device_id(connection, device)?.unwrap_or_else(|| id.clone()))
}

/// Gives a device this name instead of the one that it has. Says whether it had another one.
///
/// # Errors
/// Also where another device has the name.
pub fn rename_device(connection: &Connection, device: u32, id: &DeviceId) -> Result<bool, Error> {
    if device_id(connection, device)?.as_ref() == Some(id) {
        return Ok(false);
    }
    let sql = "INSERT INTO tuner_devices (device, id) VALUES (?1, ?2)
               ON CONFLICT (device) DO UPDATE SET id = excluded.id";
    connection.execute(sql, params![device, id.to_string()])?;
    Ok(true)
}
