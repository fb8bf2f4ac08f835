//! Forebay from outside: real sockets, real clock, the testkit's origin, real players. A file per subject.

#![allow(clippy::print_stdout, reason = "measured numbers are told")]

mod admin;
mod bad_input;
mod beside;
mod calm;
mod chaos;
mod cli;
mod clocks;
mod failover;
mod films;
mod frozen;
mod hls;
mod hls_in;
mod hls_opening;
mod hls_playing;
mod hostile;
mod hung_log;
mod limits;
mod matrix;
mod on_demand;
mod people;
mod playing;
mod program;
mod proxies;
mod radio;
mod reaching;
mod relay;
mod reload;
mod scrambled;
mod slots;
mod slow;
mod starving;
mod steering;
mod stills;
mod store;
mod takeover;
mod timeshift;
mod timing;
mod tls;
mod tokens;
mod waiting;
mod watch;
mod watching;
