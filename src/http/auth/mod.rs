//! Who asks, and whether that is enough for a route
//! ([ADR 13](../../../docs/adr/0013-people-and-what-they-may.md)).

mod credentials;
mod panel_path;
mod rates;
mod signed;
mod staff;
mod tries;
mod viewer;

pub(super) use self::credentials::{
    clear_cookie, clear_flow_cookie, cookie, flow_cookie, is_of_own_page, session, set_cookie,
    set_flow_cookie,
};
pub(super) use self::rates::{Rate, Rates};
pub(super) use self::signed::SIGNED_PATH;
pub(super) use self::staff::{By, is_operator, require};
pub(super) use self::tries::Tries;
pub(super) use self::viewer::{Carried, Watching, by_password, require_viewer, take_token};

pub(super) use self::panel_path::WayUp;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody: pages, and documents that tell nothing secret.
    Public,
    /// Whoever may watch, within the limits for viewers.
    Viewer,
    /// Whoever changes channels: operators and admins. Nobody else reaches a handler, and no page
    /// of another origin does.
    Operator,
    /// Whoever changes users and keys as well: admins, in the same way.
    Admin,
    /// A program that looks after the server. It has no account, and a page never asks it for one.
    Machine,
}

impl Access {
    /// Whether a route is for people or programs that have shown who they are.
    pub(super) fn is_staff(self) -> bool {
        matches!(self, Self::Operator | Self::Admin)
    }
}
