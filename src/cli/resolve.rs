//! `forebay resolve`: what a page of a video platform is, and in which forms it is to be had.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use forebay_core::resolve::{Need, Page, Target};
use tokio_util::sync::CancellationToken;

use super::backup::tell;
use crate::config::{Config, Environment};
use crate::resolver::{Document, Format, Resolver};

/// Prints what a page has, without addresses, which may hold tokens; fails with 1 where it cannot
/// be resolved.
pub fn resolve(path: &Path, address: &str) -> ExitCode {
    run(path, address).unwrap_or_else(|error| tell(Err(error)))
}

fn run(path: &Path, address: &str) -> anyhow::Result<ExitCode> {
    let config = Config::load_with(path, Environment::of_process())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let report = report(&config, address, &mut out, &mut err);
    // Whoever closed the pipe does not want to read it; the exit code still tells.
    Ok(runtime.block_on(report).unwrap_or(ExitCode::FAILURE))
}

async fn report(
    config: &Config,
    address: &str,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<ExitCode> {
    let page = match Target::read(address) {
        Ok(Target::Page(page)) => page,
        Ok(Target::Short(_)) => {
            writeln!(err, "this short address is not followed: give the long one")?;
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let (resolver, stop) = (Resolver::new(config.resolver.clone()), CancellationToken::new());
    let asking = async {
        let known = resolver.ask(&page, Need::Info).await;
        let versions = resolver.versions().await;
        stop.cancel();
        (known, versions)
    };
    let ((known, versions), ()) = tokio::join!(asking, resolver.run(stop.clone()));
    if let Some((version, javascript)) = versions {
        let javascript = javascript.as_deref().unwrap_or("nothing: some pages of YouTube need deno");
        writeln!(err, "yt-dlp {version}, JavaScript by {javascript}")?;
    }
    match known {
        Ok(known) => {
            print(&page, &known.document, known.lifetime, out)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(unknown) => {
            writeln!(err, "{page}: {} ({})", unknown.failure.message, unknown.failure.class.name())?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn print(page: &Page, document: &Document, lifetime: Duration, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{page}: {}", document.title.as_deref().unwrap_or("no title"))?;
    if let Some(status) = &document.live_status {
        writeln!(out, "  {status}")?;
    }
    if let Some(seconds) = document.duration {
        writeln!(out, "  {seconds:.0} s")?;
    }
    if let Some(entries) = &document.entries {
        writeln!(out, "  a list of {} pages", entries.len())?;
    }
    if !document.formats.is_empty() {
        writeln!(out, "  addresses are good for {} s", lifetime.as_secs())?;
    }
    for format in &document.formats {
        writeln!(out, "  {}", describe(format))?;
    }
    Ok(())
}

fn describe(format: &Format) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    let size = format.width.zip(format.height).map(|(width, height)| format!(" {width}x{height}"));
    let rate = (format.bitrate > 0).then(|| format!(" {} kbit/s", format.bitrate / 1000));
    let codecs = [&format.video_codec, &format.audio_codec].into_iter().flatten();
    let codecs = codecs.map(String::as_str).collect::<Vec<_>>().join("+");
    let locked = if format.has_drm { ", encrypted" } else { "" };
    let (id, ext, protocol) = (text(&format.id), text(&format.ext), text(&format.protocol));
    format!(
        "{id}: {ext} by {protocol},{}{} {codecs}{locked}",
        size.unwrap_or_default(),
        rate.unwrap_or_default()
    )
}
