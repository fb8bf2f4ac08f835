//! How programs find tuners in their network: they ask everybody, and those who are meant answer.

pub mod hdhomerun;
pub mod ssdp;
