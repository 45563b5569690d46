//! Inputs that are not what they should be, or do not stay what they were.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use crate::support::{Place, fifo, json, stderr, succeed, told};

const BOTH: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

/// Something that stands where a file or a directory should, what it is, and what is said of it.
type Harm = (&'static str, fn(&Path), &'static str);

/// In the place of a file.
const NO_FILES: [Harm; 8] = [
    ("a directory", |path| fs::create_dir(path).unwrap(), "it is a directory, expected a file"),
    ("a pipe", |path| fifo(path), "it is a pipe or a device, expected a regular file"),
    (
        "a device",
        |path| symlink("/dev/zero", path).unwrap(),
        "it is a pipe or a device, expected a regular file",
    ),
    ("a link to nowhere", |path| symlink("nowhere", path).unwrap(), "No such file or directory"),
    ("a link to itself", |path| symlink(path, path).unwrap(), "symbolic links"),
    ("nothing", |path| fs::write(path, b"").unwrap(), "the file has 0 bytes, expected 12 at least"),
    ("a text", |path| fs::write(path, b"no candles at all").unwrap(), "not Parquet"),
    ("a short file", |path| fs::write(path, b"PAR1....PAR1").unwrap(), "is corrupt"),
];

/// In the place of a directory.
const NO_DIRECTORIES: [Harm; 3] = [
    ("a file", |path| fs::write(path, b"").unwrap(), "not a directory"),
    ("a pipe", |path| fifo(path), "not a directory"),
    ("a link to itself", |path| symlink(path, path).unwrap(), "symbolic links"),
];

#[test]
fn what_stands_in_the_place_of_a_file_is_named_and_never_waited_for() {
    for (what, harm, expected) in NO_FILES {
        let place = Place::new();
        let file = place.month("ETHUSDT", 2);
        fs::remove_file(&file).unwrap();
        harm(&file);
        for command in ["frames", "run"] {
            let output = place.feed(command, &BOTH, "1h").output().unwrap();
            let told = told(&output, 1, &file, what);
            assert!(told.contains(expected), "{what}: {told}");
        }
        // Isolated, the series ends where the file would begin.
        let report = place.path("report");
        let frames = succeed(
            place.feed("frames", &BOTH, "1h").arg("--on-source-error=isolate").arg("--report").arg(&report),
        );
        let of = |symbol: &str, kind: &str| {
            frames.lines().filter(|line| line.contains(symbol) && line.contains(kind)).count()
        };
        assert_eq!((of("BTC", ",bar,"), of("ETH", ",bar,")), (24 * 60, 24 * 31), "{what}");
        assert_eq!(of("ETH", ",empty,ended"), 24 * 29, "{what}");
        let report = json(&report);
        assert_eq!(
            (&report["ended"], &report["logs"]["by_event"]["SOURCE_FAILED"]),
            (&"data".into(), &1.into())
        );
        assert_eq!(report["logs"]["by_event"]["FEED_SOURCE_FAILED"], 1, "{what}");
    }
}

#[test]
fn what_stands_in_the_place_of_a_directory_is_named() {
    for (what, harm, expected) in NO_DIRECTORIES {
        for part in ["data", "data/exchange=binance", "year"] {
            let place = Place::new();
            let dir = if part == "year" { place.year("ETHUSDT") } else { place.path(part) };
            fs::remove_dir_all(&dir).unwrap();
            harm(&dir);
            let output = place.feed("frames", &BOTH, "1h").output().unwrap();
            let told = told(&output, 1, &dir, what);
            assert!(told.to_lowercase().contains(expected), "{what} for {part}: {told}");
            let at_root = told.starts_with(&format!("error: cannot read {}: ", dir.display()));
            assert_eq!(at_root, part == "data", "{what} for {part}: {told}");
        }
    }
}

#[test]
fn what_may_not_be_read_is_named() {
    let place = Place::new();
    let file = place.month("ETHUSDT", 1);
    let content = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    if File::open(&file).is_ok() {
        println!("skipped: whoever runs this may read everything");
        return;
    }
    let output = place.feed("frames", &BOTH, "1h").output().unwrap();
    assert!(told(&output, 1, &file, "mode 0").contains("Permission denied"));
}

#[test]
fn what_else_lies_in_a_data_set_does_not_matter() {
    let place = Place::new();
    let before = succeed(&mut place.feed("frames", &BOTH, "1h"));
    let [market, year] = [place.path("data/exchange=binance/market=spot"), place.year("BTCUSDT")];
    for number in 0..600 {
        fs::write(year.join(format!("BTCUSDT-1m-2024-{}.parquet", number + 3)), b"of no month of the range")
            .unwrap();
        fs::write(year.join(format!(".BTCUSDT-1m-2024-1.parquet.{number}.tmp")), b"left by somebody")
            .unwrap();
        fs::create_dir(market.join(format!("symbol=S{number}"))).unwrap();
        fs::create_dir(year.with_file_name(format!("year={}", 3000 + number))).unwrap();
    }
    symlink("/", year.join("root")).unwrap();
    fifo(&year.join("pipe"));
    let report = place.path("report");
    let after = succeed(place.feed("frames", &BOTH, "1h").arg("--report").arg(&report));
    assert!(before == after);
    for series in json(&report)["series"].as_array().unwrap() {
        assert_eq!(series["source"]["files"], 2);
    }
}

/// In the middle of a run nobody reads its frames, so it has not read its last file yet.
#[test]
fn r11_a_file_that_changes_in_the_middle_of_a_run_ends_it() {
    for harm in ["cut", "written over", "replaced", "removed"] {
        let place = Place::new();
        let copy =
            |symbol, from: u32, to: u32| fs::hard_link(place.month(symbol, from), place.month(symbol, to));
        // Eight files, of which a few are read ahead. Their rows are those of two months, again and again.
        (3..9).for_each(|month| copy("ETHUSDT", 2 - month % 2, month).unwrap());
        let last = place.month("ETHUSDT", 8);
        let content = fs::read(&last).unwrap();
        fs::remove_file(&last).unwrap();
        fs::write(&last, &content).unwrap();
        // Rows out of range leave no frames, so it is the first month whose frames nobody reads.
        let mut child = place
            .feed("frames", &["ETHUSDT"], "1m")
            .arg("--to=2024-09-01")
            .args(["--batch-rows=4096", "--threads=1", "--report"])
            .arg(place.path("report"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        match harm {
            "cut" => File::options().write(true).open(&last).unwrap().set_len(5000).unwrap(),
            "written over" => fs::write(&last, content.iter().rev().copied().collect::<Vec<_>>()).unwrap(),
            "replaced" => {
                let other = place.path("other");
                fs::copy(place.month("ETHUSDT", 1), &other).unwrap();
                fs::rename(other, &last).unwrap();
            }
            _ => fs::remove_file(&last).unwrap(),
        }
        stdout.read_to_end(&mut Vec::new()).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = told(&output, 1, &last, harm);
        let expected = if harm == "removed" { "No such file" } else { "it was changed after it was opened" };
        assert!(told.contains(expected), "{harm}: {told}");
        let report = json(&place.path("report"));
        assert_eq!(format!("error: {}\n", report["error"].as_str().unwrap()), stderr(&output), "{harm}");
    }
}
