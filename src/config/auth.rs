//! Who may watch.

/// `[auth]`: who may watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// To whom streams are open.
    pub streams: StreamAccess,
    /// The header in which a trusted proxy names the user, who has signed in there.
    pub user_header: Option<http::HeaderName>,
    /// Groups of channels for adults: only users who may have them see them, in any case of
    /// letters.
    pub adult_groups: Vec<String>,
}

/// To whom streams are open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum StreamAccess {
    /// Private networks; elsewhere a token, a key or a password is needed.
    #[default]
    Private,
    /// Everybody.
    Open,
    /// Whoever shows a token, a key or a password, wherever that is.
    Token,
    /// Users only.
    User,
}
