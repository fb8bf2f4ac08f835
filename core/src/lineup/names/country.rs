//! Countries, as lists write them.

use std::fmt;

/// A country by its two letters (ISO 3166-1), in small ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The country of two letters in any case; `uk` is one too.
    pub fn of_code(code: &str) -> Option<Self> {
        let [first, second] = *code.as_bytes() else { return None };
        let code = [first.to_ascii_lowercase(), second.to_ascii_lowercase()];
        match &code {
            // Lists write `UK`, which ISO reserves and gives to nobody.
            b"uk" => Some(Self(*b"gb")),
            _ => CODES.split_ascii_whitespace().any(|known| known.as_bytes() == code).then_some(Self(code)),
        }
    }

    /// The country of a code of two or three letters in front of a name. There `TV` is never
    /// Tuvalu, and `SD` is a quality and not Sudan.
    pub(super) fn coded(word: &str) -> Option<Self> {
        let code = || Self::of_code(word).filter(|it| !matches!(&it.0, b"tv" | b"sd"));
        if word.len() == 3 { Self::listed(word) } else { code() }
    }

    /// The country of a code, or of a name in English or its own language, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let folded = super::fold(name);
        Self::of_code(&folded).or_else(|| Self::listed(&folded))
    }

    fn listed(folded: &str) -> Option<Self> {
        let at = NAMES.binary_search_by_key(&folded, |(name, _)| name).ok()?;
        Some(Self(*NAMES[at].1))
    }

    /// The country at the end of a guide id, as in `BBCOne.uk` and `BBCOne.uk@HD`.
    pub fn of_guide_id(id: &str) -> Option<Self> {
        let (_, code) = id.split('@').next()?.rsplit_once('.')?;
        // `.tv` is rather the ending of an address of the web than Tuvalu.
        Self::of_code(code).filter(|it| it.0 != *b"tv")
    }

    /// Its two letters.
    pub fn code(&self) -> &str {
        str::from_utf8(&self.0).expect("only letters of ASCII get here")
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// All codes of ISO 3166-1, and that of Kosovo, which lists use.
const CODES: &str = "\
    ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br \
    bs bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz \
    ec ee eg eh er es et fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw \
    gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky \
    kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv \
    mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py \
    qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg \
    th tj tk tl tm tn to tr tt tv tw tz ua ug um us uy uz va vc ve vg vi vn vu wf ws xk ye yt za \
    zm zw";

/// Names and other codes of countries, folded and in order: those that lists have.
const NAMES: [(&str, &[u8; 2]); 162] = [
    ("afghanistan", b"af"),
    ("albania", b"al"),
    ("algeria", b"dz"),
    ("america", b"us"),
    ("argentina", b"ar"),
    ("armenia", b"am"),
    ("aus", b"au"),
    ("australia", b"au"),
    ("austria", b"at"),
    ("azerbaijan", b"az"),
    ("bahrain", b"bh"),
    ("bangladesh", b"bd"),
    ("belarus", b"by"),
    ("belgie", b"be"),
    ("belgique", b"be"),
    ("belgium", b"be"),
    ("bolivia", b"bo"),
    ("bosnia", b"ba"),
    ("bosnia and herzegovina", b"ba"),
    ("brasil", b"br"),
    ("brazil", b"br"),
    ("bulgaria", b"bg"),
    ("cameroon", b"cm"),
    ("canada", b"ca"),
    ("chile", b"cl"),
    ("china", b"cn"),
    ("colombia", b"co"),
    ("costa rica", b"cr"),
    ("croatia", b"hr"),
    ("cuba", b"cu"),
    ("cyprus", b"cy"),
    ("czech republic", b"cz"),
    ("czechia", b"cz"),
    ("danmark", b"dk"),
    ("denmark", b"dk"),
    ("deu", b"de"),
    ("deutschland", b"de"),
    ("dominican republic", b"do"),
    ("ecuador", b"ec"),
    ("egypt", b"eg"),
    ("el salvador", b"sv"),
    ("england", b"gb"),
    ("esp", b"es"),
    ("espana", b"es"),
    ("estonia", b"ee"),
    ("ethiopia", b"et"),
    ("finland", b"fi"),
    ("fra", b"fr"),
    ("france", b"fr"),
    ("georgia", b"ge"),
    ("ger", b"de"),
    ("germany", b"de"),
    ("ghana", b"gh"),
    ("great britain", b"gb"),
    ("greece", b"gr"),
    ("guatemala", b"gt"),
    ("haiti", b"ht"),
    ("holland", b"nl"),
    ("honduras", b"hn"),
    ("hong kong", b"hk"),
    ("hrvatska", b"hr"),
    ("hungary", b"hu"),
    ("iceland", b"is"),
    ("india", b"in"),
    ("indonesia", b"id"),
    ("iran", b"ir"),
    ("iraq", b"iq"),
    ("ireland", b"ie"),
    ("israel", b"il"),
    ("ita", b"it"),
    ("italia", b"it"),
    ("italy", b"it"),
    ("jamaica", b"jm"),
    ("japan", b"jp"),
    ("jordan", b"jo"),
    ("kazakhstan", b"kz"),
    ("kenya", b"ke"),
    ("korea", b"kr"),
    ("kosovo", b"xk"),
    ("ksa", b"sa"),
    ("kuwait", b"kw"),
    ("latvia", b"lv"),
    ("lebanon", b"lb"),
    ("libya", b"ly"),
    ("lithuania", b"lt"),
    ("luxembourg", b"lu"),
    ("macedonia", b"mk"),
    ("magyarorszag", b"hu"),
    ("malaysia", b"my"),
    ("malta", b"mt"),
    ("mexico", b"mx"),
    ("moldova", b"md"),
    ("montenegro", b"me"),
    ("morocco", b"ma"),
    ("nederland", b"nl"),
    ("nepal", b"np"),
    ("netherlands", b"nl"),
    ("new zealand", b"nz"),
    ("nicaragua", b"ni"),
    ("nigeria", b"ng"),
    ("norge", b"no"),
    ("north macedonia", b"mk"),
    ("norway", b"no"),
    ("oman", b"om"),
    ("osterreich", b"at"),
    ("pakistan", b"pk"),
    ("palestine", b"ps"),
    ("panama", b"pa"),
    ("paraguay", b"py"),
    ("peru", b"pe"),
    ("philippines", b"ph"),
    ("pol", b"pl"),
    ("poland", b"pl"),
    ("polska", b"pl"),
    ("por", b"pt"),
    ("portugal", b"pt"),
    ("puerto rico", b"pr"),
    ("qatar", b"qa"),
    ("romania", b"ro"),
    ("rus", b"ru"),
    ("russia", b"ru"),
    ("saudi arabia", b"sa"),
    ("schweiz", b"ch"),
    ("senegal", b"sn"),
    ("serbia", b"rs"),
    ("shqip", b"al"),
    ("singapore", b"sg"),
    ("slovakia", b"sk"),
    ("slovenia", b"si"),
    ("south africa", b"za"),
    ("south korea", b"kr"),
    ("spain", b"es"),
    ("srbija", b"rs"),
    ("sri lanka", b"lk"),
    ("sudan", b"sd"),
    ("suomi", b"fi"),
    ("sverige", b"se"),
    ("swe", b"se"),
    ("sweden", b"se"),
    ("switzerland", b"ch"),
    ("syria", b"sy"),
    ("taiwan", b"tw"),
    ("thailand", b"th"),
    ("tunisia", b"tn"),
    ("tur", b"tr"),
    ("turkey", b"tr"),
    ("turkiye", b"tr"),
    ("uae", b"ae"),
    ("uk", b"gb"),
    ("ukraine", b"ua"),
    ("united arab emirates", b"ae"),
    ("united kingdom", b"gb"),
    ("united states", b"us"),
    ("united states of america", b"us"),
    ("uruguay", b"uy"),
    ("usa", b"us"),
    ("venezuela", b"ve"),
    ("vietnam", b"vn"),
    ("yemen", b"ye"),
    ("россия", b"ru"),
    ("украина", b"ua"),
    ("украіна", b"ua"),
];
