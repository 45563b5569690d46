//! Telling code, comments and literals apart, byte by byte.

/// What a byte of Rust source belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Code,
    Comment,
    /// Inside the quotes of a string, byte string or character.
    Literal,
}

/// The kind of each byte of `source`. Quotes and prefixes of literals are code.
pub(super) fn kinds(source: &str) -> Vec<Kind> {
    let bytes = source.as_bytes();
    let mut kinds = vec![Kind::Code; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (skip, body, kind) = match rest[0] {
            b'/' if rest.starts_with(b"//") => (0, until(rest, b"\n"), Kind::Comment),
            b'/' if rest.starts_with(b"/*") => (0, block_comment(rest), Kind::Comment),
            b'"' => (1, escaped(&rest[1..], b'"'), Kind::Literal),
            b'\'' => (1, character(&source[at + 1..]), Kind::Literal),
            byte if is_word(byte) => {
                let word = rest.iter().take_while(|b| is_word(**b)).count();
                match raw_string(rest, word) {
                    Some((open, body)) => (open, body, Kind::Literal),
                    None => (word, 0, Kind::Code),
                }
            }
            _ => (1, 0, Kind::Code),
        };
        kinds[at + skip..at + skip + body].fill(kind);
        // The closing quote of a string is stepped over with it; that of a lifetime does not exist.
        let close =
            usize::from(kind == Kind::Literal && body + skip < rest.len() && (body > 0 || rest[0] == b'"'));
        at += skip + body + close;
    }
    kinds
}

/// `source` with every byte blanked whose kind is not in `keep`; line ends stay.
pub(super) fn keep(source: &str, kinds: &[Kind], keep: &[Kind]) -> String {
    let bytes = source.bytes().zip(kinds);
    let kept: Vec<u8> =
        bytes.map(|(byte, kind)| if byte == b'\n' || keep.contains(kind) { byte } else { b' ' }).collect();
    String::from_utf8_lossy(&kept).into_owned()
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Number of bytes before the first `end`, or all.
fn until(bytes: &[u8], end: &[u8]) -> usize {
    bytes.windows(end.len()).position(|window| window == end).unwrap_or(bytes.len())
}

/// Length of the nested comment at the beginning of `bytes`.
fn block_comment(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Number of bytes before the first `quote` that no backslash stands before.
fn escaped(bytes: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// Number of bytes of a character literal after its opening quote; 0 if the quote begins a lifetime.
fn character(after_quote: &str) -> usize {
    let mut chars = after_quote.chars();
    match chars.next() {
        Some('\\') => escaped(after_quote.as_bytes(), b'\''),
        Some(first) if chars.next() == Some('\'') => first.len_utf8(),
        _ => 0,
    }
}

/// Lengths of the opening and the body of a raw string at the beginning of `bytes`, whose first `word` bytes
/// are an identifier or a prefix.
fn raw_string(bytes: &[u8], word: usize) -> Option<(usize, usize)> {
    if !matches!(&bytes[..word], b"r" | b"br" | b"cr") {
        return None;
    }
    let hashes = bytes[word..].iter().take_while(|b| **b == b'#').count();
    let open = word + hashes + 1;
    if bytes.get(open - 1) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    Some((open, until(&bytes[open..], &close)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        keep(source, &kinds(source), &[Kind::Code])
    }

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        for (source, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */\n d */ e", "a             \n      e"),
            (r#"x("a\"b", 1)"#, r#"x("    ", 1)"#),
            (r##"x(r#"a"b"#)"##, r##"x(r#"   "#)"##),
            (r#"b"\\" + y"#, r#"b"  " + y"#),
            (r"('a', '\'', 'é', 'static)", r"(' ', '  ', '  ', 'static)"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            (r#"x("")"#, r#"x("")"#),
            (r#"r#type; "//""#, r#"r#type; "  ""#),
        ] {
            assert_eq!(code(source), expected, "{source}");
        }
    }

    #[test]
    fn a_source_that_ends_early_is_no_panic() {
        for source in ["\"abc", "/* abc", "'", "r#\"abc", "'\\", "\"\\", "b'"] {
            assert_eq!(kinds(source).len(), source.len());
        }
    }
}
