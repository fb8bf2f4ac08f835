//! Why nobody says where the media of a page is.

use std::fmt;
use std::time::Duration;

use forebay_core::resolve::Class;

/// Why there is no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAddress {
    /// What kind of failure it is.
    pub class: Class,
    /// What the platform or its reader says, without an address.
    pub message: Box<str>,
    /// How long it is until the page is asked for again.
    pub retry_after: Duration,
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            Class::NotLive => f.write_str("the page is not live")?,
            class => write!(f, "the page cannot be resolved ({})", class.name())?,
        }
        // Not earlier than it may help.
        let seconds = self.retry_after.as_secs() + u64::from(self.retry_after.subsec_nanos() > 0);
        if seconds > 0 {
            write!(f, ", asked again in {seconds} s")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for NoAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_told_when_a_page_is_asked_for_again() {
        let no = |class, millis| NoAddress {
            class,
            message: "no words".into(),
            retry_after: Duration::from_millis(millis),
        };
        let text = no(Class::NotLive, 41_200).to_string();
        assert_eq!(text, "the page is not live, asked again in 42 s: no words");
        assert_eq!(no(Class::Geo, 0).to_string(), "the page cannot be resolved (geo): no words");
    }
}
