//! Languages as playlists name them (RFC 5646) and as transport streams do (ISO 639-2).

/// Each two-letter code of ISO 639-1 with its three letters of ISO 639-2, the terminological ones.
const CODES: &str = "\
    aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul bhbih \
    bibis bmbam bnben bobod brbre bsbos cacat ceche chcha cocos crcre csces cuchu cvchv cycym dadan \
    dedeu dvdiv dzdzo eeewe elell eneng eoepo esspa etest eueus fafas ffful fifin fjfij fofao frfra \
    fyfry gagle gdgla glglg gngrn guguj gvglv hahau heheb hihin hohmo hrhrv hthat huhun hyhye hzher \
    iaina idind ieile igibo iiiii ikipk ioido isisl itita iuiku jajpn jvjav kakat kgkon kikik kjkua \
    kkkaz klkal kmkhm knkan kokor krkau kskas kukur kvkom kwcor kykir lalat lbltz lglug lilim lnlin \
    lolao ltlit lulub lvlav mgmlg mhmah mimri mkmkd mlmal mnmon mrmar msmsa mtmlt mymya nanau nbnob \
    ndnde nenep ngndo nlnld nnnno nonor nrnbl nvnav nynya ococi ojoji omorm orori ososs papan pipli \
    plpol pspus ptpor quque rmroh rnrun roron rurus rwkin sasan scsrd sdsnd sesme sgsag sisin skslk \
    slslv smsmo snsna sosom sqsqi srsrp ssssw stsot susun svswe swswa tatam tetel tgtgk ththa titir \
    tktuk tltgl tntsn toton trtur tstso tttat twtwi tytah uguig ukukr ururd uzuzb veven vivie vovol \
    wawln wowol xhxho yiyid yoyor zazha zhzho zuzul";

/// The three letters of the language that `tag` begins with: `de-AT` gives `deu`. `None` of one
/// that is not known, or not said.
pub(crate) fn three_letters(tag: &str) -> Option<[u8; 3]> {
    let primary = tag.split(['-', '_']).next()?.to_ascii_lowercase();
    let code = match primary.as_bytes() {
        b"und" | b"mul" | b"zxx" => return None,
        &[a, b, c] if primary.bytes().all(|byte| byte.is_ascii_lowercase()) => return Some([a, b, c]),
        &[_, _] => CODES.split_ascii_whitespace().find(|code| code.starts_with(&primary))?,
        _ => return None,
    };
    code.as_bytes()[2..].try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_three_letters() {
        let cases = [
            ("de", Some(*b"deu")),
            ("en-GB", Some(*b"eng")),
            ("FR_ca", Some(*b"fra")),
            ("gsw", Some(*b"gsw")),
            ("zu", Some(*b"zul")),
            ("und", None),
            ("xx", None),
            ("english", None),
            ("d\u{e9}", None),
            ("", None),
        ];
        for (tag, code) in cases {
            assert_eq!(three_letters(tag), code, "{tag}");
        }
        assert!(CODES.split_ascii_whitespace().all(|code| code.len() == 5));
    }
}
