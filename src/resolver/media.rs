//! Where the media of a page is that can be relayed as a channel.

use forebay_core::resolve::{Choice, Class, Failure, Need, Page, Quality, choose};
use forebay_relay::input::page::{Address, NoAddress, Pages};
use forebay_relay::model::header::{parse_name, parse_user_agent, parse_value};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header;
use url::Url;

use super::{Document, Format, Known, Resolver, Unknown};

impl Pages for Resolver {
    fn address(
        &self,
        page: &Page,
        other_than: Option<&Url>,
    ) -> BoxFuture<'static, Result<Address, NoAddress>> {
        let (resolver, page, other_than) = (self.clone(), page.clone(), other_than.cloned());
        let choose = |document: &Document| {
            let found = live(document).map(|(format, url)| (format.clone(), url.to_owned()));
            found.ok_or("it has no form that can be relayed: neither HLS nor a transport stream")
        };
        async move { resolver.find(&page, other_than.as_ref(), choose).await.map_err(NoAddress::from) }
            .boxed()
    }
}

impl Resolver {
    /// Where the file of a form of a page is: at another address than this one, which ends or is
    /// refused.
    pub async fn file(
        &self,
        page: &Page,
        format: &str,
        other_than: Option<&Url>,
    ) -> Result<Address, Unknown> {
        let choose = |document: &Document| {
            let is_it = |known: &&Format| known.id.as_deref() == Some(format) && known.is_file();
            let format = document.formats.iter().find(is_it);
            let url = format.and_then(|format| format.url.clone());
            format.cloned().zip(url).ok_or("the page has no such form any more")
        };
        self.find(page, other_than, choose).await
    }

    /// The address of what is chosen of a page.
    async fn find(
        &self,
        page: &Page,
        other_than: Option<&Url>,
        choose: impl Fn(&Document) -> Result<(Format, String), &'static str>,
    ) -> Result<Address, Unknown> {
        let known = self.ask(page, Need::Addresses).await?;
        let address = self.address_of(&known, &choose)?;
        // Somebody else may have had it renewed already.
        if Some(&address.url) != other_than {
            return Ok(address);
        }
        // An answer that is seconds old would be the same
        // again, and platforms block those who ask too often.
        self.renew(page).map_err(|retry_after| Unknown {
            failure: Failure::new(Class::Busy, "the page was resolved a moment ago").into(),
            retry_after,
        })?;
        let known = self.ask(page, Need::Addresses).await?;
        self.address_of(&known, &choose)
    }

    fn address_of(
        &self,
        known: &Known,
        choose: &impl Fn(&Document) -> Result<(Format, String), &'static str>,
    ) -> Result<Address, Unknown> {
        let unfit = |message| Unknown {
            failure: Failure::new(Class::Unsupported, message).into(),
            retry_after: known.lifetime,
        };
        let (format, url) = choose(&known.document).map_err(unfit)?;
        let url = Url::parse(&url).map_err(|_| unfit("its address is no address"))?;
        let mut user_agent = None;
        let mut headers = Vec::new();
        for (name, value) in &format.headers {
            if name.eq_ignore_ascii_case("user-agent") {
                // A value that cannot be sent is left out: most platforms only want to see some.
                user_agent = parse_user_agent(value).ok();
            } else if let (Ok(name), Ok(value)) = (parse_name(name), parse_value(value))
                && !OURS.contains(&name)
            {
                headers.push((name, value));
            }
        }
        let cookies = format.cookies.as_deref().and_then(|cookies| cookies_for(cookies, &url));
        if let Some(value) = cookies.and_then(|cookies| parse_value(&cookies).ok()) {
            headers.push((header::COOKIE, value));
        }
        Ok(Address {
            url,
            user_agent,
            headers,
            proxy: self.0.settings.proxy.clone(),
            allow_private: self.0.settings.allow_private,
            lifetime: known.lifetime,
        })
    }
}

/// Headers that the relay sets itself, since it has to read the answers.
const OURS: &[header::HeaderName] = &[header::ACCEPT, header::ACCEPT_ENCODING];

impl From<Unknown> for NoAddress {
    fn from(Unknown { failure, retry_after }: Unknown) -> Self {
        Self { class: failure.class, message: failure.message.clone(), retry_after }
    }
}

/// The form of a page that is relayed, and its address: HLS with all of its variants, one playlist
/// of it that has sound and picture, or else a transport stream.
fn live(document: &Document) -> Option<(&Format, &str)> {
    let best = |wanted: &dyn Fn(&Format) -> bool| {
        let formats: Vec<&Format> =
            document.formats.iter().filter(|format| format.url.is_some() && wanted(format)).collect();
        let forms: Vec<_> = formats.iter().map(|format| format.form()).collect();
        choose(&forms, Quality::Best).map(|choice| match choice {
            Choice::One(index) => (formats[index], true),
            // Both are named by the same playlist, if by any.
            Choice::Pair { video, .. } => (formats[video], false),
        })
    };
    let is_hls = |format: &Format| format.protocol.as_deref().is_some_and(|name| name.starts_with("m3u8"));
    if let Some((format, is_whole)) = best(&is_hls) {
        let alone = format.url.as_deref().filter(|_| is_whole);
        // The playlist of all variants, so that the relay
        // can step down where the form's own could not.
        if let Some(url) = format.manifest_url.as_deref().or(alone) {
            return Some((format, url));
        }
    }
    let is_whole_hls =
        |format: &Format| is_hls(format) && format.audio_codec.is_some() && format.video_codec.is_some();
    let is_stream = |format: &Format| {
        format.ext.as_deref() == Some("ts")
            && format.protocol.as_deref().is_some_and(|name| matches!(name, "http" | "https"))
    };
    let (format, _) = best(&is_whole_hls).or_else(|| best(&is_stream))?;
    Some((format, format.url.as_deref()?))
}

/// The cookies for this address, as a request has them, of a text in which each is followed by its
/// attributes (`a=1; Domain=.example; Path=/; b=2; …`). Those for other hosts are left out: what
/// stands in a header goes to the host of the address only. So are those for TLS only, where the
/// address is another.
fn cookies_for(text: &str, url: &Url) -> Option<String> {
    const ATTRIBUTES: &[&str] = &["path", "expires", "max-age", "httponly", "samesite", "version"];
    let host = url.host_str()?;
    let mut cookies: Vec<(&str, bool)> = Vec::new();
    for part in text.split(';').map(str::trim) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if name.eq_ignore_ascii_case("domain") {
            let domain = value.trim_matches('"').trim_start_matches('.').to_ascii_lowercase();
            // At a dot only (RFC 6265, 5.1.3): `badexample.org`
            // must not get the cookies of `example.org`.
            let before = host.strip_suffix(&*domain);
            let is_within = before.is_some_and(|before| before.is_empty() || before.ends_with('.'));
            if let Some((_, fits)) = cookies.last_mut() {
                *fits &= is_within && !domain.is_empty();
            }
        } else if name.eq_ignore_ascii_case("secure") {
            if let Some((_, fits)) = cookies.last_mut() {
                *fits &= url.scheme() == "https";
            }
        } else if !ATTRIBUTES.iter().any(|known| name.eq_ignore_ascii_case(known)) && part.contains('=') {
            cookies.push((part, true));
        }
    }
    let fitting: Vec<_> = cookies.into_iter().filter(|(_, fits)| *fits).map(|(cookie, _)| cookie).collect();
    (!fitting.is_empty()).then(|| fitting.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(formats: &serde_json::Value) -> Document {
        serde_json::from_value(serde_json::json!({ "formats": formats })).unwrap()
    }

    fn address(formats: &serde_json::Value) -> Option<String> {
        live(&document(formats)).map(|(_, url)| url.to_owned())
    }

    #[test]
    fn a_page_is_relayed_in_the_form_that_has_most() {
        let hls = |id: &str, height: u32, sound: Option<&str>, manifest: Option<&str>| {
            serde_json::json!({
                "format_id": id, "url": format!("https://a/{id}"), "protocol": "m3u8_native",
                "height": height, "vcodec": "avc1", "acodec": sound, "manifest_url": manifest,
            })
        };
        let film = serde_json::json!({
            "format_id": "18", "url": "https://a/18", "protocol": "https", "ext": "mp4",
            "vcodec": "avc1", "acodec": "mp4a",
        });
        let aac = Some("mp4a");
        let (low, high) = (hls("low", 360, aac, None), hls("high", 720, aac, None));
        let picture = hls("picture", 1080, None, None);
        assert_eq!(address(&serde_json::json!([film, low, high])), Some("https://a/high".to_owned()));
        // A picture whose sound is at another address would be mute.
        assert_eq!(address(&serde_json::json!([low, picture])), Some("https://a/low".to_owned()));
        let all =
            [hls("low", 360, aac, Some("https://a/all")), hls("picture", 1080, None, Some("https://a/all"))];
        assert_eq!(address(&serde_json::json!(all)), Some("https://a/all".to_owned()));
        let stream = serde_json::json!({
            "format_id": "s", "url": "https://a/s", "protocol": "https", "ext": "ts", "vcodec": "avc1", "acodec": "mp4a",
        });
        assert_eq!(address(&serde_json::json!([film, stream])), Some("https://a/s".to_owned()));
        let flash =
            serde_json::json!({ "format_id": "f", "url": "https://a/f", "protocol": "https", "ext": "flv" });
        assert_eq!(address(&serde_json::json!([film, flash])), None);
    }

    #[test]
    fn cookies_go_to_their_own_hosts_only() {
        let url = Url::parse("https://r1.cdn.example/a").unwrap();
        let table = [
            ("a=1; Domain=.cdn.example; Path=/; Secure; Expires=7; b=2; Path=/", Some("a=1; b=2")),
            ("a=1; Domain=r1.cdn.example; b=2; Domain=.other.example", Some("a=1")),
            ("a=1; Domain=dn.example", None),
            ("a=1; Secure; Domain=.CDN.Example; b=2", Some("a=1; b=2")),
            ("a=1; Domain=.", None),
            ("", None),
            ("Secure; HttpOnly", None),
        ];
        for (text, expected) in table {
            assert_eq!(cookies_for(text, &url).as_deref(), expected, "{text}");
        }
        let plain = Url::parse("http://r1.cdn.example/a").unwrap();
        let text = "a=1; Secure; Domain=.cdn.example; b=2; Domain=.cdn.example";
        assert_eq!(cookies_for(text, &plain).as_deref(), Some("b=2"));
    }
}
