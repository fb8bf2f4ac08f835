//! Rules of playlists: what they do, what they tell, and how long a hostile one takes.

use std::ops::RangeInclusive;
use std::time::Duration;

use forebay_core::lineup::Entry;
use forebay_core::lineup::edits::{Edit, Edits, Effective, Layer};
use forebay_core::lineup::rules::{
    Action, MAX_FAILURES, MAX_RULES, MAX_TEXT_BYTES, Rule, RuleError, Rules, Run, Subject, Test, Warning,
};
use forebay_core::lineup::{Origin, number::ChannelNumber};
use forebay_testkit::linear;

fn entry(name: &str, group: &str) -> Entry {
    let mut entry = Entry::default();
    entry.set_title(name);
    entry.set_url("http://h/live/u/p/1.ts");
    entry.push(Origin::Attribute, "group-title", group);
    entry
}

fn rule(subject: Subject, test: Test, action: Action) -> Rule {
    Rule { subject, test, action }
}

fn matches(subject: Subject, pattern: &str, action: Action) -> Rule {
    rule(subject, Test::Matches(pattern.to_owned()), action)
}

fn contains(text: &str, action: Action) -> Rule {
    rule(Subject::Name, Test::Contains(text.to_owned()), action)
}

fn rename(pattern: &str, replacement: &str) -> Rule {
    matches(Subject::Name, pattern, Action::Rename(replacement.to_owned()))
}

/// Name, group and whether it is hidden, of each entry.
fn apply(rules: &[Rule], entries: &[Entry]) -> (Vec<(String, String, bool)>, Run) {
    let rules = Rules::new(rules).expect("they are good");
    let mut run = Run::with_examples(2);
    let channels = entries.iter().map(|entry| {
        let mut channel = Effective::of(entry);
        rules.apply(entry, &mut channel, &mut run);
        (channel.name.value.into_owned(), channel.group.value.into_owned(), channel.is_hidden.value)
    });
    (channels.collect(), run)
}

#[test]
fn names_are_renamed() {
    let table = [
        (rename("^UK[|:] *", ""), "UK| BBC One", "BBC One"),
        (rename("^(?!US)(\\w+): (.*)$", "$2 ($1)"), "UK: BBC One", "BBC One (UK)"),
        (rename("^(?!US)(\\w+): (.*)$", "$2 ($1)"), "US: CNN", "US: CNN"),
        (rename("(?i) (?:f?hd|4k)\\b", ""), "BBC One FHD", "BBC One"),
        (rename("(\\w+) \\1", "$1"), "BBC BBC One", "BBC One"),
        (rename(".*", ""), "BBC One", "BBC One"),
        (contains("bbc", Action::Rename("Beeb".to_owned())), "BBC One, bbc", "Beeb One, Beeb"),
        (contains("(hd)", Action::Rename(String::new())), "One (HD)", "One"),
        (rule(Subject::Name, Test::Is("one".to_owned()), Action::Rename("1".to_owned())), "ONE", "1"),
        (rule(Subject::Name, Test::Is("one".to_owned()), Action::Rename("1".to_owned())), "ONE 1", "ONE 1"),
    ];
    for (rule, name, expected) in table {
        let (channels, _) = apply(std::slice::from_ref(&rule), &[entry(name, "")]);
        assert_eq!(channels[0].0, expected, "{rule:?}");
    }
}

#[test]
fn rules_work_in_their_order() {
    let entries =
        [entry("UK| BBC One HD", "UK | News"), entry("US| CNN", "US | News"), entry("XXX 1", "Adult")];
    let rules = [
        rename("^\\w\\w\\| ", ""),
        matches(Subject::Group, "^(\\w\\w) \\| (.*)$", Action::SetGroup("$2 $1".to_owned())),
        rule(Subject::Group, Test::Contains("news".to_owned()), Action::Number(100..=199)),
        rule(Subject::Group, Test::Is("adult".to_owned()), Action::SetAdult(true)),
        rule(Subject::Group, Test::Is("Adult".to_owned()), Action::Exclude),
        contains("nothing", Action::Exclude),
        rule(Subject::Name, Test::Any, Action::Include),
    ];
    let (channels, run) = apply(&rules, &entries);
    let expected = [("BBC One HD", "News UK", false), ("CNN", "News US", false), ("XXX 1", "Adult", true)];
    assert_eq!(channels, expected.map(|(name, group, hidden)| (name.to_owned(), group.to_owned(), hidden)));
    let counts: Vec<_> = run.counts().iter().map(|it| (it.matched, it.changed, it.failed)).collect();
    assert_eq!(counts, [(2, 2, 0), (2, 2, 0), (2, 2, 0), (1, 1, 0), (1, 0, 0), (0, 0, 0), (3, 0, 0)]);
    assert_eq!((run.entries(), run.left_out()), (3, 1));
    assert_eq!(run.examples()[0].after, "BBC One HD");
    assert_eq!(run.warnings(), [(5, Warning::MatchesNothing), (6, Warning::MatchesAll)]);
}

#[test]
fn a_group_is_what_it_is_called_with_other_accents_blanks_and_letters() {
    let table = [
        ("Télé", "TELE", true),
        ("tele", "Te\u{301}le\u{301}", true),
        ("News  HD", "news hd ", true),
        ("CANAL", "ＣＡＮＡＬ", true),
        ("News", "News HD", false),
        ("", "", true),
        ("", "News", false),
    ];
    for (wanted, group, expected) in table {
        let wanted = Test::Is(wanted.to_owned());
        let rules = [
            rule(Subject::Group, wanted.clone(), Action::Exclude),
            rule(Subject::Group, wanted.clone(), Action::SetGroup("Other: $0".to_owned())),
            // The group is another one by now.
            rule(Subject::Group, wanted, Action::SetAdult(true)),
        ];
        let (channels, run) = apply(&rules, &[entry("One", group)]);
        let after = if expected { format!("Other: {group}") } else { group.to_owned() };
        assert_eq!(channels, [("One".to_owned(), after, expected)], "{rules:?}");
        let matched: Vec<_> = run.counts().iter().map(|it| it.matched).collect();
        assert_eq!(matched, [u64::from(expected), u64::from(expected), 0], "{rules:?}");
    }
}

#[test]
fn with_an_include_rule_the_rest_is_left_out() {
    let rules =
        [contains("bbc", Action::Include), contains("itv", Action::Include), contains("hd", Action::Exclude)];
    let entries = ["BBC One", "ITV", "ITV HD", "CNN"].map(|name| entry(name, ""));
    let hidden: Vec<bool> = apply(&rules, &entries).0.into_iter().map(|it| it.2).collect();
    assert_eq!(hidden, [false, false, true, true]);
    // A user has the last word.
    let mut edits = Edits::default();
    edits.apply(Edit::Hidden(Some(false)));
    let (rules, mut run) = (Rules::new(&rules).expect("they are good"), Run::default());
    let mut channel = Effective::of(&entries[3]);
    rules.apply(&entries[3], &mut channel, &mut run);
    assert_eq!(channel.is_hidden.layer, Layer::Rule(0));
    channel.overlay(&edits);
    assert!(!channel.is_hidden.value);
}

#[test]
fn what_is_wrong_with_a_rule_is_said() {
    let error = |rule: Rule| {
        Rules::new(&[contains("x", Action::Exclude), rule]).expect_err("it is wrong").to_string()
    };
    assert!(error(rename("(", "")).starts_with("rule 2: the pattern cannot be read: "));
    assert!(error(rename(&"x".repeat(3000), "")).contains("3000 bytes"));
    assert!(error(rename("(?:a{1000}){1000}", "")).starts_with("rule 2: "));
    let elsewhere = rule(Subject::Group, Test::Any, Action::Rename(String::new()));
    assert_eq!(Rules::new(&[elsewhere]).expect_err("it is wrong"), RuleError::RenamesOther { at: 0 });
    for range in [0..=5, RangeInclusive::new(7, 6)] {
        let number = rule(Subject::Name, Test::Any, Action::Number(range));
        assert_eq!(Rules::new(&[number]).expect_err("it is wrong"), RuleError::Range { at: 0 });
    }
    let many = vec![contains("x", Action::Exclude); MAX_RULES + 1];
    assert_eq!(
        Rules::new(&many).expect_err("there are too many"),
        RuleError::TooMany { count: MAX_RULES + 1 }
    );
}

/// Rule 15: one engine for preview and import, and no pattern stops it.
#[test]
fn rule_15_hostile_patterns_fail_soon() {
    let patterns = ["(a+)+$", "(?=a)(a+)+$", "(a|aa)+\\1?$(?!b)", "(?:(?=(a+))\\1?a*)*c", "(.*)*\\1x"];
    let texts = [
        format!("{}!", "a".repeat(100_000)),
        format!("{}!", "a".repeat(MAX_TEXT_BYTES - 1)),
        format!("{}!", "a".repeat(30)),
    ];
    for pattern in patterns {
        let rules = Rules::new(&[rename(pattern, "x")]).expect("it is good");
        for text in &texts {
            let entry = entry(text, "");
            let (mut run, began) = (Run::default(), linear::processor_time());
            rules.apply(&entry, &mut Effective::of(&entry), &mut run);
            let took = linear::processor_time().saturating_sub(began);
            assert!(took < Duration::from_millis(250), "{pattern} on {} bytes: {took:?}", text.len());
            assert!(text.len() <= MAX_TEXT_BYTES || run.counts()[0].failed == 1, "{pattern} on a long text");
        }
    }
}

#[test]
fn a_rule_that_fails_too_often_is_stopped() {
    let rules = Rules::new(&[rename("(?:(?=(a+))\\1?a*)*c", "x"), contains("a", Action::Exclude)])
        .expect("they are good");
    let entry = entry(&"a".repeat(900), "");
    let mut run = Run::default();
    for _ in 0..1000 {
        rules.apply(&entry, &mut Effective::of(&entry), &mut run);
    }
    assert_eq!(run.counts()[0].failed, MAX_FAILURES);
    assert_eq!(
        (run.left_out(), run.warnings()),
        (1000, vec![(0, Warning::Stopped), (1, Warning::MatchesAll)])
    );
}

#[test]
fn a_replacement_that_grows_without_end_fails() {
    let long = "$0$0$0$0$0$0$0$0$0$0";
    let rules = vec![rename(".+", long); 20];
    let (channels, run) = apply(&rules, &[entry("0123456789", "")]);
    assert!(channels[0].0.len() <= MAX_TEXT_BYTES);
    assert!(run.counts().iter().any(|it| it.failed > 0));
}

#[test]
fn layers_say_who_set_a_field() {
    let entry = entry("UK| BBC One", "UK");
    let rules = Rules::new(&[rename("^UK\\| ", ""), rule(Subject::Name, Test::Any, Action::Number(1..=9))])
        .expect("they are good");
    let mut edits = Edits::default();
    edits.apply(Edit::Number(ChannelNumber::whole(5)));
    let mut channel = Effective::of(&entry);
    rules.apply(&entry, &mut channel, &mut Run::default());
    channel.overlay(&edits);
    let layers = (channel.name.layer, channel.number.layer, channel.group.layer);
    assert_eq!(layers, (Layer::Rule(0), Layer::Edit, Layer::Provider));
    assert_eq!(channel.number_range, Some(1..=9));
}
