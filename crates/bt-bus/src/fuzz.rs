//! What a fuzzer calls: functions over bytes that return whatever the bytes are.

use crate::{JournalEntry, ReadError, read_journal};

/// Reads a journal. Returns how many events it has, up to a torn last line.
///
/// # Errors
/// The first line that is no event.
///
/// # Panics
/// If an event that was read is written as something else.
pub fn journal(bytes: &[u8]) -> Result<u64, ReadError> {
    let mut reader = read_journal(bytes);
    let mut events = 0;
    for entry in reader.by_ref() {
        let written = line(&entry?);
        let again = JournalEntry::parse(&written).map(|entry| line(&entry));
        assert!(again.as_ref().is_ok_and(|again| *again == written), "{again:?}");
        events += 1;
    }
    assert!(reader.offset() <= bytes.len() as u64 && reader.next().is_none());
    Ok(events)
}

fn line(entry: &JournalEntry) -> Vec<u8> {
    let mut line = Vec::new();
    entry.encode_line(&mut line);
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = concat!(
        r#"{"seq":7,"topic":"log","level":"info","component":"feed","event":"FEED_STATE","series":null,"#,
        r#""sim_time":"2024-01-01T00:00:00Z","message":"primed","fields":{"rows":3,"share":0.25}}"#,
        "\n"
    );

    /// What is hard on readers of JSON, each in the place of a part of a sound line.
    #[test]
    fn what_breaks_readers_breaks_none_here() {
        let line = |from: &str, to: &str| {
            assert!(LINE.contains(from), "{from}");
            journal(LINE.replace(from, to).as_bytes())
        };
        assert_eq!(line("primed", "primed").unwrap(), 1);
        let deep = "[".repeat(100_000);
        for (from, to) in [
            ("0.25", &*deep),
            ("0.25", "1e999"),
            ("0.25", "{}"),
            ("7", "18446744073709551616"),
            ("7", "-1"),
            ("primed", r"\ud800"),
            ("primed", "\0"),
            (r#""seq":7,"#, r#""seq":7,"seq":7,"#),
            (r#""seq":7,"#, ""),
            ("info", "loud"),
            ("2024-01-01", "9999-12-31"),
            ("2024-01-01", "2024-02-30"),
            ("\n", "{\n"),
        ] {
            let text = line(from, to).unwrap_err().to_string();
            assert!(text.contains("line 1"), "{text}");
        }
        let mut invalid = LINE.as_bytes().to_vec();
        invalid[20] = 0xff;
        assert!(journal(&invalid).is_err());
        // Without its line feed it is torn, wherever it ends, also in the middle of a character.
        let umlaut = LINE.replace("primed", "ü");
        for end in 0..umlaut.len() {
            assert_eq!(journal(&umlaut.as_bytes()[..end]).unwrap(), 0);
        }
    }

    proptest! {
        #[test]
        fn a_journal_changed_anywhere_is_events_or_an_error(
            lines in 1..4usize,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = LINE.repeat(lines).into_bytes();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(2 * bytes.len()));
            // It returns.
            let _ = journal(&bytes);
        }
    }
}
