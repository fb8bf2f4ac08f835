//! Where a source may lead to.

use super::*;

/// Opens a source on the internet that is named `public.test`, and reads it to its failure.
async fn fate(public: &Site, look_up: Names) -> Option<Error> {
    let source = source(&format!("http://public.test:{}/live", public.address().port()));
    let opened = Client::over(public.connector_in(look_up))
        .open(&source, &Context::default(), SocketGuard::default())
        .await;
    let mut upstream = match opened {
        Ok(upstream) => upstream,
        Err(error) => return Some(error),
    };
    loop {
        match timeout(Duration::from_secs(2), upstream.pieces.next()).await.ok()? {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Some(error),
            None => panic!("no reason"),
        }
    }
}

type Names = Box<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

fn names() -> Names {
    Box::new(|name| match name {
        "public.test" => vec![INTERNET.into()],
        "inner.test" => vec![Ipv4Addr::LOCALHOST.into()],
        _ => Vec::new(),
    })
}

/// A source on the internet leads to this machine by each way there is; nothing there is ever
/// connected to.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_source_does_not_lead_to_private_addresses() {
    const KEY: &str = "#EXT-X-KEY:METHOD=AES-128,URI=\"INNER/key\"\n#EXTINF:1,\n/0.ts\n";
    const MAP: &str = "#EXT-X-MAP:URI=\"INNER/init.mp4\"\n#EXTINF:1,\n/0.m4s\n";
    let redirect = |to: &str| format!("302 {to}");
    let playlist = |rest: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{rest}");
    let variant = "#EXT-X-STREAM-INF:BANDWIDTH=1\nINNER/v.m3u8\n";
    let cases = [
        ("redirect", redirect("INNER/internal")),
        ("redirect to a name", redirect("http://inner.test:PORT/internal")),
        ("redirect to a mapped address", redirect("http://[::ffff:127.0.0.1]:PORT/internal")),
        ("redirect to a decimal address", redirect("http://2130706433:PORT/internal")),
        ("redirect by way of itself", redirect("/again")),
        ("variant", format!("#EXTM3U\n{variant}")),
        ("segment", playlist("#EXTINF:1,\nINNER/0.ts\n")),
        ("redirect of a segment", playlist("#EXTINF:1,\n/again\n")),
        ("key", playlist(KEY)),
        ("initialisation section", playlist(MAP)),
    ];
    let inner = Site::start(false, |_, _| endless()).await;
    let (port, at) = (inner.address().port(), format!("http://{}", inner.address()));
    let fates = cases.map(async |(name, answer)| {
        let answer = answer.replace("INNER", &at).replace("PORT", &port.to_string());
        let again = redirect(&at);
        let public = Site::start_at((INTERNET, 0).into(), false, move |path, _| {
            let answer = if path == "/again" { &again } else { &answer };
            match answer {
                _ if path == "/0.ts" => whole("200 OK", &packets(100)),
                answer => match answer.strip_prefix("302 ") {
                    Some(location) => whole(&format!("302 Found\r\nLocation: {location}"), b""),
                    None => whole("200 OK", answer.as_bytes()),
                },
            }
        })
        .await;
        (name, fate(&public, names()).await)
    });
    for (name, fate) in join_all(fates).await {
        assert_eq!(fate, Some(Error::Private), "{name}");
    }
    // Without its sound a source may play on: there may be no failure to see.
    let sound = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"INNER/a.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\n/list.m3u8\n";
    let sound = sound.replace("INNER", &at);
    let list = playlist("#EXTINF:1,\n/0.ts\n");
    let public = Site::start_at((INTERNET, 0).into(), false, move |path, _| match path {
        "/live" => whole("200 OK", sound.as_bytes()),
        "/list.m3u8" => whole("200 OK", list.as_bytes()),
        _ => whole("200 OK", &packets(100)),
    })
    .await;
    let fate = fate(&public, names()).await;
    let heads = public.seen().heads;
    let is_followed = heads.iter().any(|head| head.contains("/list.m3u8"));
    assert!(is_followed || fate == Some(Error::Private), "{fate:?}: {heads:?}");
    assert_eq!(inner.seen().accepted.len(), 0, "nothing there was connected to");
}

/// The name led to the internet when it was first asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_gains_nothing() {
    let again = |path: &str, _| match path {
        "/live" => whole("302 Found\r\nLocation: /secret", b""),
        _ => endless(),
    };
    let public = Site::start_at((INTERNET, 0).into(), false, again).await;
    let inner = (Ipv4Addr::LOCALHOST, public.address().port()).into();
    let inner = Site::start_at(inner, false, |_, _| endless()).await;
    let has_asked = AtomicBool::new(false);
    let rebinding: Names = Box::new(move |_| {
        let is_first = !has_asked.swap(true, Ordering::Relaxed);
        vec![if is_first { INTERNET } else { Ipv4Addr::LOCALHOST }.into()]
    });
    assert_eq!(fate(&public, rebinding).await, Some(Error::Private));
    assert_eq!(inner.seen().accepted.len(), 0);
}

/// Where somebody else than the operator has named the source, not even its first request goes to
/// an address that is not on the internet, whatever its name looks like.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_named_reaches_the_internet_only() {
    let inner = Site::start(false, |_, _| endless()).await;
    let public = Site::start_at((INTERNET, 0).into(), false, |_, _| endless()).await;
    for (address, is_reached) in [(Ipv4Addr::LOCALHOST.into(), false), (IpAddr::from(INTERNET), true)] {
        let site = if is_reached { &public } else { &inner };
        let mut source = source(&format!("http://public.test:{}/live", site.address().port()));
        source.access.scope = Scope::Internet;
        let names: Names = Box::new(move |_| vec![address]);
        let client = Client::over(public.connector_in(names));
        let opened = client.open(&source, &Context::default(), SocketGuard::default()).await;
        assert_eq!(opened.err(), (!is_reached).then_some(Error::Private));
    }
    assert_eq!(inner.seen().accepted.len(), 0, "nothing there was connected to");
}

/// Where a source itself is in a local network, what it names there is asked for; so is what the
/// configuration allows.
#[tokio::test(flavor = "multi_thread")]
async fn local_sources_and_allowed_ones_lead_to_private_addresses() {
    let inner = Site::start(false, |_, _| endless()).await;
    let target = inner.url("/inner");
    let to = move |_: &str, _| whole(&format!("302 Found\r\nLocation: {target}"), b"");
    let public = Site::start_at((INTERNET, 0).into(), false, to.clone()).await;
    let opened = |count| assert_eq!(inner.seen().accepted.len(), count);
    let mut allowed = source(&format!("http://public.test:{}/", public.address().port()));
    allowed.access.scope = Scope::Everywhere;
    Client::over(public.connector_in(names()))
        .open(&allowed, &Context::default(), SocketGuard::default())
        .await
        .unwrap();
    opened(1);
    let local = Site::start(false, to).await;
    Client::over(local.connector_in(names()))
        .open(&source(&local.url("/")), &Context::default(), SocketGuard::default())
        .await
        .unwrap();
    opened(2);
}
