use super::*;

fn read(name: &str) -> (String, String) {
    let Name { key, country } = Name::of(name);
    (key, country.map_or_else(String::new, |it| it.code().to_owned()))
}

#[test]
fn spellings_of_one_channel_are_equal() {
    let spellings = [
        "BBC One",
        "bbc one",
        "BBC ONE HD",
        "BBC One FHD",
        "BBC One ᴴᴰ",
        "BBC One (1080p)",
        "BBC One [Geo-blocked]",
        "BBC One (720p) [Not 24/7]",
        "BBCOne",
        "BBC-One",
        "BBC  One 4K",
        "BBC One H265",
        "BBC One HEVC 50FPS",
        "BBC One 1080p50",
        "UK: BBC One",
        "UK | BBC One HD",
        "|UK| BBC ONE",
        "[UK] BBC One",
        "UK - BBC One",
        "UK▎BBC One",
        "BBC One (UK)",
        "HD: BBC One",
        "SD | BBC One",
        "VIP | UK | BBC One",
        "UK: FHD: BBC One",
        "UK | 4K | BBC One",
    ];
    for name in spellings {
        assert_eq!(read(name).0, "bbcone", "{name}");
    }
}

#[test]
fn what_tells_channels_apart_stays() {
    let names = [
        "BBC One",
        "BBC Two",
        "BBC One +1",
        "BBC One East",
        "BBC One West",
        "Canal",
        "Canal+",
        "Canal+ 1",
        "Sky 1",
        "Sky 11",
        "Sky 1 1",
        "4K Travel",
        "Travel",
        "HD",
        "C4",
        "4",
        "M6",
        "RTL 2",
        "A&E",
        "AE",
        "24",
        "247",
        "24/7 Friends",
        "CCTV-4K",
        "CCTV-8K",
        "720",
        "Sport (Arabic)",
        "Sport (Greek)",
        "ช่อง 3",
        "ชอง 3",
    ];
    let keys: std::collections::BTreeSet<String> = names.iter().map(|name| read(name).0).collect();
    assert_eq!(keys.len(), names.len(), "{keys:?}");
}

#[test]
fn both_scripts_of_a_name_are_equal() {
    for (cyrillic, latin) in
        [("Домкино", "Domkino"), ("Солнце HD", "Solnce"), ("ЖАРА", "Zhara"), ("Україна", "Ukraina")]
    {
        assert_eq!(read(cyrillic).0, read(latin).0, "{cyrillic}");
    }
}

#[test]
fn countries_in_names() {
    let table = [
        ("UK: BBC One", "gb"),
        ("VIP | UK | BBC One", "gb"),
        ("SD: BBC One", ""),
        ("USA | CNN", "us"),
        ("DE - ZDF", "de"),
        ("[FR] TF1 HD", "fr"),
        ("★IT★ Rai 1", "it"),
        ("BBC One (UK)", "gb"),
        ("MTV [DE]", "de"),
        ("BBC One", ""),
        ("It: Chapter Two", ""),
        ("TV: Eins", ""),
        ("DE-ZDF", ""),
        ("UK Gold", ""),
        ("AR (Greek)", ""),
    ];
    for (name, country) in table {
        assert_eq!(read(name).1, country, "{name}");
    }
}

#[test]
fn the_country_of_an_entry() {
    type Attributes = &'static [(&'static str, &'static str)];
    let table: [(&str, &str, Attributes); 8] = [
        ("X", "gb", &[("tvg-country", "UK")]),
        ("X", "de", &[("tvg-country", "Germany")]),
        ("X", "us", &[("tvg-country", "US;CA")]),
        ("DE: X", "de", &[("tvg-id", "X.uk")]),
        ("X", "gb", &[("tvg-id", "X.uk@HD"), ("group-title", "Germany")]),
        ("X", "de", &[("group-title", "Deutschland")]),
        ("X", "de", &[("group-title", "DE | Sport"), ("tvg-id", "sport1.tv")]),
        ("X", "", &[("group-title", "Sport")]),
    ];
    for (name, country, attributes) in table {
        let mut entry = Entry::default();
        entry.set_title(name);
        for (key, value) in attributes {
            entry.push(crate::lineup::Origin::Attribute, key, value);
        }
        assert_eq!(
            country_of(&entry).map_or("", |it| it.code().to_owned().leak()),
            country,
            "{name} {attributes:?}"
        );
    }
}

#[test]
fn the_table_of_countries_is_in_order() {
    for name in ["united kingdom", "albania", "yemen", "ukraine", "україна", "россия"] {
        assert!(Country::named(name).is_some(), "{name}");
    }
}
