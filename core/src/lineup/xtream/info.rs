//! What a panel says of the account.

use serde_json::{Map, Value};

use super::lenient::{flag, number, object, text};
use crate::lineup::UnixTime;

/// An account, as its panel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountInfo {
    /// Whether streams will play.
    pub status: Status,
    /// When it ends. None where it does not end.
    pub expires: Option<UnixTime>,
    /// Connections at a time. None where the panel sets no limit.
    pub max_connections: Option<u32>,
    /// Connections that the panel counts now. It may be late.
    pub active_connections: u32,
    /// Whether it is for trying only.
    pub is_trial: bool,
    /// What the panel has to say, such as a reason; not for viewers.
    pub message: String,
    /// The clock of the panel.
    pub clock: Clock,
}

/// The state of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It plays.
    Active,
    /// It is over.
    Expired,
    /// It is banned.
    Banned,
    /// It is switched off.
    Disabled,
    /// Something else.
    Other(String),
}

/// The clock that times in the guide and the addresses of the archive are in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clock {
    /// Its name, such as `Europe/London`; may be empty.
    pub time_zone: String,
    /// How far it is ahead of UTC now, in seconds, where the panel says both times. For names that
    /// nobody knows.
    pub offset: Option<i32>,
}

/// Why an answer is no account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// It is no JSON.
    #[error("the server does not answer like an Xtream Codes panel")]
    NoPanel,
    /// The user or the password is wrong.
    #[error("the panel refuses the user name and password")]
    Refused,
}

impl AccountInfo {
    /// Reads the answer to the address of the interface without an action.
    ///
    /// # Errors
    /// Says what it is instead.
    pub fn read(bytes: &[u8]) -> Result<Self, InfoError> {
        let document = object(bytes).ok_or(InfoError::NoPanel)?;
        let Some(Value::Object(user)) = document.get("user_info") else { return Err(InfoError::NoPanel) };
        // Panels that leave it out let the user in.
        if user.contains_key("auth") && !flag(user, "auth") {
            return Err(InfoError::Refused);
        }
        let positive = |key| number(user, key).and_then(|it| u32::try_from(it).ok()).filter(|&it| it > 0);
        Ok(Self {
            status: status(&text(user, "status"), flag(user, "is_trial")),
            expires: number(user, "exp_date").filter(|&it| it > 0).map(UnixTime::from_seconds),
            max_connections: positive("max_connections"),
            active_connections: positive("active_cons").unwrap_or_default(),
            is_trial: flag(user, "is_trial"),
            message: text(user, "message"),
            clock: match document.get("server_info") {
                Some(Value::Object(server)) => clock(server),
                _ => Clock::default(),
            },
        })
    }
}

fn status(text: &str, is_trial: bool) -> Status {
    match &*text.to_ascii_lowercase() {
        "active" | "trial" => Status::Active,
        "" if is_trial => Status::Active,
        "expired" => Status::Expired,
        "banned" => Status::Banned,
        "disabled" => Status::Disabled,
        _ => Status::Other(text.to_owned()),
    }
}

fn clock(server: &Map<String, Value>) -> Clock {
    let local = seconds(&text(server, "time_now"));
    let offset =
        local.zip(number(server, "timestamp_now")).and_then(|(local, utc)| offset(local.checked_sub(utc)?));
    Clock { time_zone: text(server, "timezone"), offset }
}

/// An offset of a real zone: whole quarters of an hour, and less than a day. Both times were read
/// one after the other, so they may differ by a second more.
fn offset(difference: i64) -> Option<i32> {
    const QUARTER: i64 = 15 * 60;
    let rounded = (difference + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    let is_real = (rounded - difference).abs() <= 60 && rounded.abs() <= 15 * 3600;
    is_real.then(|| i32::try_from(rounded).ok())?
}

/// From the first of March of the year 0 to 1970.
const DAYS_UNTIL_1970: i64 = 719_468;

/// `2025-02-26 19:45:53` in seconds since 1970 by the same clock.
fn seconds(text: &str) -> Option<i64> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let fields = |text: &str, separator| {
        let mut parts =
            text.split(separator).map(|it| it.parse::<i64>().ok().filter(|it| (0..10_000).contains(it)));
        Some([parts.next()??, parts.next()??, parts.next()??])
    };
    let [year, month, day] = fields(date, '-')?;
    let [hour, minute, second] = fields(time, ':')?;
    // Days by the calendar that begins in March, so that a leap day ends a year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 1;
    Some((days - DAYS_UNTIL_1970) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_account() {
        let answer = br#"{"user_info":{"username":"u","password":"p","message":"Hi","auth":1,"status":"Active",
            "exp_date":"1767225600","is_trial":"0","active_cons":"1","created_at":"1735689600","max_connections":"2",
            "allowed_output_formats":["m3u8","ts"]},"server_info":{"url":"h","port":"80","timezone":"America/St_Johns",
            "timestamp_now":1740599153,"time_now":"2025-02-26 16:15:54"}}"#;
        let expected = AccountInfo {
            status: Status::Active,
            expires: Some(UnixTime::from_seconds(1_767_225_600)),
            max_connections: Some(2),
            active_connections: 1,
            is_trial: false,
            message: "Hi".to_owned(),
            clock: Clock { time_zone: "America/St_Johns".to_owned(), offset: Some(-12_600) },
        };
        assert_eq!(AccountInfo::read(answer), Ok(expected));
    }

    #[test]
    fn odd_accounts() {
        let read =
            |user: &str| AccountInfo::read(format!("{{\"user_info\":{user},\"server_info\":[]}}").as_bytes());
        for user in [
            r#"{"auth":"1","status":"Active","exp_date":null,"max_connections":0}"#,
            r#"{"auth":true,"status":"Active","exp_date":"","max_connections":"0"}"#,
            r#"{"auth":1.0,"status":"active","exp_date":"Unlimited","max_connections":null}"#,
            r#"{"status":"Trial","exp_date":0}"#,
            r#"{"auth":1,"is_trial":"1"}"#,
        ] {
            let info = read(user).expect(user);
            assert_eq!(
                (info.status, info.expires, info.max_connections),
                (Status::Active, None, None),
                "{user}"
            );
        }
        let status = |name: &str| read(&format!("{{\"auth\":1,\"status\":\"{name}\"}}")).map(|it| it.status);
        assert_eq!(status("Expired"), Ok(Status::Expired));
        assert_eq!(status("Banned"), Ok(Status::Banned));
        assert_eq!(status("Disabled"), Ok(Status::Disabled));
        assert_eq!(status("Odd"), Ok(Status::Other("Odd".to_owned())));
    }

    #[test]
    fn what_is_no_account() {
        let table = [
            (r#"{"user_info":{"auth":0}}"#, InfoError::Refused),
            (r#"{"user_info":{"auth":"0","status":"Active"}}"#, InfoError::Refused),
            (r#"{"user_info":{"auth":null}}"#, InfoError::Refused),
            (r#"{"user_info":{"auth":false}}"#, InfoError::Refused),
            (r#"{"user_info":[]}"#, InfoError::NoPanel),
            ("[]", InfoError::NoPanel),
            ("", InfoError::NoPanel),
            ("<html>404</html>", InfoError::NoPanel),
        ];
        for (answer, error) in table {
            assert_eq!(AccountInfo::read(answer.as_bytes()), Err(error), "{answer}");
        }
    }

    #[test]
    fn times_of_the_calendar() {
        let table = [
            ("1970-01-01 00:00:00", Some(0)),
            ("2000-02-29 12:00:00", Some(951_825_600)),
            ("2025-02-26 19:45:53", Some(1_740_599_153)),
            ("2025-12-31T23:59:59", Some(1_767_225_599)),
            ("today", None),
            ("2025-02-26", None),
            ("2025-02 1:2:3", None),
        ];
        for (text, expected) in table {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
