//! What holds for any list, whatever it is and however it is cut.

use forebay_core::lineup::identity::Identity;
use forebay_core::lineup::m3u::{Document, ExtraUrls, Item, Options, Parser, Summary, Writer};
use forebay_core::lineup::names::{Name, country_of, fold};
use forebay_core::lineup::{Entry, Origin};

/// Reads a list that comes in pieces of these sizes, over and over.
pub(crate) fn read(bytes: &[u8], sizes: &[usize], options: &Options) -> (Vec<Entry>, Summary) {
    let (mut parser, mut entries) = (Parser::new(options.clone()), Vec::new());
    let mut take = |item: Item<'_>| {
        if let Item::Entry { entry, .. } = item {
            entries.push(entry.clone());
        }
    };
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        let (piece, behind) = rest.split_at(size);
        parser.push(piece, &mut take);
        rest = behind;
    }
    let summary = parser.finish(&mut take);
    (entries, summary)
}

/// Writes entries.
pub(crate) fn write(entries: &[Entry]) -> String {
    let mut writer = Writer::new(String::new(), Some("http://guide/")).expect("a string takes it");
    for entry in entries {
        writer.entry(entry).expect("a string takes it");
    }
    writer.into_inner()
}

/// What must be the same of an entry that was written and read again: all but how headers are
/// written, and the labels of lines, which only some players know.
pub(crate) fn essence(entry: &Entry) -> String {
    let kept = |origin| !matches!(origin, Origin::Http | Origin::UrlSuffix | Origin::Label);
    let properties: Vec<_> = entry.properties().iter().filter(|(origin, ..)| kept(*origin)).collect();
    let mut headers = entry.headers();
    headers.sort();
    format!("{:?} {:?} {properties:?} {headers:?}", entry.title(), entry.url())
}

/// Checks all of it for these bytes.
pub(crate) fn check(bytes: &[u8], sizes: &[usize]) {
    for extra_urls in [ExtraUrls::Ignore, ExtraUrls::Alternates] {
        let options = Options { extra_urls, ..Options::default() };
        let (entries, summary) = read(bytes, &[], &options);
        assert_eq!(read(bytes, sizes, &options), (entries.clone(), summary), "cut by {sizes:?}");
        assert_eq!(summary.entries(), entries.len() as u64);
        for entry in &entries {
            check_names(entry);
        }
        if summary.document == Document::List {
            let (again, second) = read(write(&entries).as_bytes(), sizes, &Options::default());
            assert_eq!(again.len(), entries.len());
            assert_eq!(second.faults.stray_lines, 0);
            for (entry, again) in entries.iter().zip(&again) {
                assert_eq!(essence(&sanitised(entry)), essence(again));
            }
        }
    }
}

/// Whatever a name is, it can be told from others, and is the same without its differences.
fn check_names(entry: &Entry) {
    let folded = fold(entry.name());
    assert_eq!(fold(&folded), folded);
    let key = Name::of(entry.name()).key;
    assert!(!key.is_empty() || !folded.contains(|it: char| it.is_ascii_alphanumeric()), "{folded}");
    let _ = (country_of(entry), Identity::of(entry), entry.catchup(), entry.is_adult());
}

/// The entry as it is after one round: with `'` for `"` in attributes, and what else cannot be
/// written.
fn sanitised(entry: &Entry) -> Entry {
    let (entries, _) = read(write(std::slice::from_ref(entry)).as_bytes(), &[], &Options::default());
    entries.into_iter().next().expect("what was written is read")
}
