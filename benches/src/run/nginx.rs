//! nginx, which does best some of what Forebay does: how it is told what to do.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Whether it is installed.
pub(super) fn is_there() -> bool {
    Command::new("nginx").arg("-v").output().is_ok()
}

/// nginx with one process, at `listen`, with this in its server block; its own files lie in `folder`.
pub(super) fn command(listen: SocketAddr, folder: &Path, server: &str) -> anyhow::Result<Command> {
    let file = folder.join("nginx.conf");
    fs::write(&file, configuration(listen, folder, server))?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg("stderr").arg("-c").arg(file);
    Ok(command)
}

/// As one who knows it would: connections accepted as fast as they come, `sendfile`, whole packets, no log.
fn configuration(listen: SocketAddr, folder: &Path, server: &str) -> String {
    let folder = folder.display();
    // Temporary folders are named since the default ones may not be ours to write to; nothing is ever put there.
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/nginx-{name};"))
        .join(" ");
    format!(
        "daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {folder}/nginx.pid;\n\
         events {{ worker_connections 16384; multi_accept on; }}\n\
         http {{ access_log off; keepalive_requests 1000000000; sendfile on; tcp_nopush on; {temporary}\n\
         types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}\n\
         server {{ listen {listen} backlog=4096;\n{server}}} }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_no_folder_but_ours() {
        let listen = "127.0.0.1:8080".parse().unwrap();
        let text = configuration(listen, Path::new("/run/x"), "location = /health { return 200 '{}'; }\n");
        assert!(text.contains("listen 127.0.0.1:8080 backlog=4096;\nlocation = /health"), "{text}");
        assert_eq!(text.matches("_temp_path /run/x/nginx-").count(), 5);
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
