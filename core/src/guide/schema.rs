//! The elements of XMLTV: what may stand in which, in which order, and with which attributes. It
//! follows the format's DTD (version 0.6 and later, with `image` and `review`).

/// An element of a channel or a programme. Within their parent they are written in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "they are the names of the format")]
pub enum Tag {
    DisplayName,
    Title,
    SubTitle,
    Desc,
    Credits,
    Director,
    Actor,
    Writer,
    Adapter,
    Producer,
    Composer,
    Editor,
    Presenter,
    Commentator,
    Guest,
    Date,
    Category,
    Keyword,
    Language,
    OrigLanguage,
    Length,
    Value,
    Icon,
    Url,
    Country,
    EpisodeNum,
    Video,
    Audio,
    Present,
    Colour,
    Aspect,
    Quality,
    Stereo,
    PreviouslyShown,
    Premiere,
    LastChance,
    New,
    Subtitles,
    Rating,
    StarRating,
    Review,
    Image,
}

use Tag::{
    Actor, Adapter, Aspect, Audio, Category, Colour, Commentator, Composer, Country, Credits, Date, Desc,
    Director, DisplayName, Editor, EpisodeNum, Guest, Icon, Image, Keyword, Language, LastChance, Length,
    New, OrigLanguage, Premiere, Present, Presenter, PreviouslyShown, Producer, Quality, Rating, Review,
    StarRating, Stereo, SubTitle, Subtitles, Title, Url, Value, Video, Writer,
};

/// What an attribute may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    /// The values that it may have; any where there are none.
    pub(super) values: &'static [&'static str],
    /// Without it, the element means nothing.
    pub(super) is_required: bool,
}

const fn any(name: &'static str) -> Attribute {
    Attribute { name, values: &[], is_required: false }
}

const fn one_of(name: &'static str, values: &'static [&'static str]) -> Attribute {
    Attribute { name, values, is_required: false }
}

const fn needed(attribute: Attribute) -> Attribute {
    Attribute { is_required: true, ..attribute }
}

const LANG: &[Attribute] = &[any("lang")];
const SYSTEM: &[Attribute] = &[any("system")];
const ACTOR: &[Attribute] = &[any("role"), one_of("guest", &["no", "yes"])];
const LENGTH: &[Attribute] = &[needed(one_of("units", &["seconds", "minutes", "hours"]))];
const ICON: &[Attribute] = &[needed(any("src")), any("width"), any("height")];
const SHOWN: &[Attribute] = &[any("start"), any("channel")];
const SUBTITLES: &[Attribute] = &[one_of("type", &["teletext", "onscreen", "deaf-signed"])];
const REVIEW: &[Attribute] =
    &[needed(one_of("type", &["text", "url"])), any("source"), any("reviewer"), any("lang")];
const IMAGE: &[Attribute] = &[
    one_of("type", &["poster", "backdrop", "still", "person", "character"]),
    one_of("size", &["1", "2", "3"]),
    one_of("orient", &["P", "L"]),
    any("system"),
];

/// The attributes of a programme besides its times and its channel.
pub(super) const PROGRAMME: &[Attribute] =
    &[any("pdc-start"), any("vps-start"), any("showview"), any("videoplus"), any("clumpidx")];

/// What may stand in a channel.
pub(super) const OF_CHANNEL: &[Tag] = &[DisplayName, Icon, Url];

/// What may stand in a programme.
pub(super) const OF_PROGRAMME: &[Tag] = &[
    Title,
    SubTitle,
    Desc,
    Credits,
    Date,
    Category,
    Keyword,
    Language,
    OrigLanguage,
    Length,
    Icon,
    Url,
    Country,
    EpisodeNum,
    Video,
    Audio,
    PreviouslyShown,
    Premiere,
    LastChance,
    New,
    Subtitles,
    Rating,
    StarRating,
    Review,
    Image,
];

const PEOPLE: &[Tag] =
    &[Director, Actor, Writer, Adapter, Producer, Composer, Editor, Presenter, Commentator, Guest];

impl Tag {
    /// Its name in the document.
    pub fn name(self) -> &'static str {
        match self {
            DisplayName => "display-name",
            Title => "title",
            SubTitle => "sub-title",
            Desc => "desc",
            Credits => "credits",
            Director => "director",
            Actor => "actor",
            Writer => "writer",
            Adapter => "adapter",
            Producer => "producer",
            Composer => "composer",
            Editor => "editor",
            Presenter => "presenter",
            Commentator => "commentator",
            Guest => "guest",
            Date => "date",
            Category => "category",
            Keyword => "keyword",
            Language => "language",
            OrigLanguage => "orig-language",
            Length => "length",
            Value => "value",
            Icon => "icon",
            Url => "url",
            Country => "country",
            EpisodeNum => "episode-num",
            Video => "video",
            Audio => "audio",
            Present => "present",
            Colour => "colour",
            Aspect => "aspect",
            Quality => "quality",
            Stereo => "stereo",
            PreviouslyShown => "previously-shown",
            Premiere => "premiere",
            LastChance => "last-chance",
            New => "new",
            Subtitles => "subtitles",
            Rating => "rating",
            StarRating => "star-rating",
            Review => "review",
            Image => "image",
        }
    }

    /// What may stand in it.
    pub(super) fn children(self) -> &'static [Self] {
        match self {
            Credits => PEOPLE,
            Video => &[Present, Colour, Aspect, Quality],
            Audio => &[Present, Stereo],
            Subtitles => &[Language],
            Rating | StarRating => &[Value, Icon],
            person if PEOPLE.contains(&person) => &[Url, Image],
            _ => &[],
        }
    }

    /// Its attributes.
    pub(super) fn attributes(self) -> &'static [Attribute] {
        match self {
            DisplayName | Title | SubTitle | Desc | Category | Keyword | Language | OrigLanguage
            | Country | Premiere | LastChance => LANG,
            Url | EpisodeNum | Rating | StarRating => SYSTEM,
            Actor => ACTOR,
            Length => LENGTH,
            Icon => ICON,
            PreviouslyShown => SHOWN,
            Subtitles => SUBTITLES,
            Review => REVIEW,
            Image => IMAGE,
            _ => &[],
        }
    }

    /// Whether text may stand in it.
    pub(super) fn has_text(self) -> bool {
        !matches!(
            self,
            Credits | Video | Audio | Subtitles | Rating | StarRating | Icon | PreviouslyShown | New
        )
    }

    /// Whether a programme has it once.
    pub(super) fn is_single(self) -> bool {
        matches!(
            self,
            Credits
                | Date
                | Language
                | OrigLanguage
                | Length
                | Video
                | Audio
                | PreviouslyShown
                | Premiere
                | LastChance
                | New
                | Present
                | Colour
                | Aspect
                | Quality
                | Stereo
                | Value
        )
    }

    /// Whether it says something without text, children and attributes.
    pub(super) fn may_be_empty(self) -> bool {
        matches!(self, PreviouslyShown | Premiere | LastChance | New | Subtitles)
    }

    /// The one of these with this name.
    pub(super) fn named(name: &[u8], among: &'static [Self]) -> Option<Self> {
        among.iter().copied().find(|tag| tag.name().as_bytes() == name)
    }
}
