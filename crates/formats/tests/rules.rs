//! Damaged files of rules.

use coretap_formats::ModelFormat;
use coretap_formats::rules::Rules;
use proptest::prelude::*;

const OWN: &str = include_str!("../../../fuzz/seeds/rules/own.toml");

#[test]
fn the_sound_file_is_read_as_a_whole() {
    let (taken, bad) = Rules::embedded().merge(OWN);
    assert_eq!((taken.len(), bad), (4, vec![]));
}

proptest! {
    /// A row is taken or named with what is wrong with it, and a file that is no TOML changes nothing.
    #[test]
    fn each_row_is_taken_or_named(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>()), 1..6),
    ) {
        let mut text = OWN.as_bytes().to_vec();
        for (place, kind, byte) in damage {
            let at = place.index(text.len());
            match kind {
                0 => text[at] = byte,
                1 => drop(text.remove(at)),
                _ => text.insert(at, byte),
            }
        }
        let text = String::from_utf8_lossy(&text);
        let mut rules = Rules::embedded();
        let (taken, bad) = rules.merge(&text);
        prop_assert!(bad.iter().all(|bad| !bad.row.is_empty() && !bad.problem.is_empty()), "{:?}", bad);
        if bad.iter().any(|bad| bad.row == "the file") {
            prop_assert!(taken.is_empty());
        } else {
            let rows = text.parse::<toml::Table>().unwrap_or_default();
            let rows = rows.values().map(|rows| rows.as_array().map_or(1, Vec::len));
            prop_assert_eq!(taken.len() + bad.len(), rows.sum::<usize>());
        }
        for format in [ModelFormat::Orchestration, ModelFormat::Claude, ModelFormat::AzureChat] {
            let _ = rules.for_model(format, "anthropic--claude-4.5-sonnet").streams();
        }
    }
}
