//! What people have done about pages of video platforms: look at one (`analysis`), and keep a file
//! of one (`downloads`).
//!
//! Both are jobs of the queue. Whoever has asked for them is told how they go on (`news`).

pub mod analysis;
mod document;
mod downloads;
mod fetch;
mod news;
mod part_file;
mod runs;

use forebay_core::resolve::{Page, Platform};

pub use self::document::DownloadDocument;
pub use self::downloads::{Downloads, Refusal, Wanted};
pub use self::fetch::DOWNLOAD;
pub use self::news::{Audience, Message, News};
pub use self::runs::Live;

/// The page that is written like this: `youtube/dQw4w9WgXcQ`.
pub fn read_page(text: &str) -> Option<Page> {
    let (platform, id) = text.split_once('/')?;
    Page::new(Platform::named(platform)?, id).ok()
}
