//! A data set of which a third of the files was damaged at random: what is sound is fed as if it were alone.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{MONTHS, Place, SYMBOLS, fifo, json, succeed};

/// Numbers that look random and are the same every time: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// Puts something else in the place of a file; says what.
fn mutate(path: &Path, other: &Path, dice: &mut Dice) -> &'static str {
    let mut bytes = fs::read(path).unwrap();
    let length = bytes.len();
    // It may be the same file as another's.
    fs::remove_file(path).unwrap();
    let what = match dice.below(12) {
        0 => "some bytes",
        1 => "some bytes of its footer",
        2 => "cut",
        3 => "a hole",
        4 => "longer",
        5 => "noise",
        6 => "empty",
        7 => "another's",
        8 => return "removed",
        9 => {
            fs::create_dir(path).unwrap();
            return "a directory";
        }
        10 => {
            symlink("nowhere", path).unwrap();
            return "a link to nowhere";
        }
        _ => {
            fifo(path);
            return "a pipe";
        }
    };
    match what {
        "some bytes" => (0..8).for_each(|_| bytes[dice.below(length)] = dice.below(256) as u8),
        "some bytes of its footer" => {
            (0..3).for_each(|_| bytes[length - 1 - dice.below(1500.min(length))] = dice.below(256) as u8);
        }
        "cut" => bytes.truncate(dice.below(length)),
        "a hole" => {
            let begin = dice.below(length);
            let end = length.min(begin + 1 + dice.below(10_000));
            bytes[begin..end].fill(0);
        }
        "longer" => bytes.extend((0..1 + dice.below(100)).map(|_| dice.below(256) as u8).collect::<Vec<_>>()),
        "noise" => bytes.fill_with(|| dice.below(256) as u8),
        "empty" => bytes.clear(),
        _ => bytes = fs::read(other).unwrap_or_default(),
    }
    fs::write(path, bytes).unwrap();
    what
}

/// What is compared: the rows of CSV of the series none of whose files was touched, aligned outer. At the closes at
/// which they have a frame by themselves these are equal, byte for byte; at any other they have no bar.
#[test]
fn r25_sound_series_are_fed_as_if_the_damaged_ones_were_not_there() {
    let runs = std::env::var("BT_SOAK_RUNS").map_or(4, |runs| runs.parse().unwrap());
    for seed in 0..runs {
        let (place, mut dice) = (Place::new(), Dice(seed));
        let (mut damaged, mut said) = (BTreeSet::new(), Vec::new());
        // One series is always spared, so that there is something to compare.
        let mut files: Vec<_> =
            SYMBOLS[1..].iter().flat_map(|symbol| (1..=MONTHS).map(move |month| (*symbol, month))).collect();
        for _ in 0..SYMBOLS.len() * MONTHS as usize / 3 {
            let (symbol, month) = files.swap_remove(dice.below(files.len()));
            let other = place.month(SYMBOLS[dice.below(SYMBOLS.len())], 1 + dice.below(2) as u32);
            said.push((symbol, month, mutate(&place.month(symbol, month), &other, &mut dice)));
            damaged.insert(symbol);
        }
        let what = format!("seed {seed}: {said:?}");
        let sound: Vec<_> = SYMBOLS.into_iter().filter(|symbol| !damaged.contains(symbol)).collect();
        let mut all = place.feed("frames", &SYMBOLS, "15m");
        all.args(["--on-source-error=isolate", "--missing=skip", "--report"]).arg(place.path("report"));
        let output = all.output().unwrap();
        assert!(output.status.success(), "{what}: {}", crate::support::stderr(&output));
        let report = json(&place.path("report"));
        assert_eq!(
            (&report["ended"], &report["error"]),
            (&"data".into(), &serde_json::Value::Null),
            "{what}"
        );

        let alone = succeed(&mut place.feed("frames", &sound, "15m"));
        let all = String::from_utf8(output.stdout).unwrap();
        let close = |line: &str| line.split_once(',').unwrap().0.to_owned();
        let is_sound = |line: &&str| {
            line.starts_with("close_time") || sound.iter().any(|symbol| line.contains(&format!(":{symbol},")))
        };
        let closes: BTreeSet<_> = alone.lines().map(close).collect();
        let (shared, more): (Vec<_>, Vec<_>) =
            all.lines().filter(is_sound).partition(|line| closes.contains(&close(line)));
        assert!(shared == alone.lines().collect::<Vec<_>>(), "{what}");
        assert!(more.iter().all(|line| !line.contains(",bar,")), "{what}");
        assert!(shared.len() > 5000, "{what}");
    }
}
