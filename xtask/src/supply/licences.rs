//! Licence expressions (SPDX).

/// Whether an expression such as `(MIT OR Apache-2.0) AND Unicode-3.0` can be met by licences of `allowed`. The old
/// `MIT/Apache-2.0` is read as a choice.
pub(super) fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    any(&mut rest, allowed) == Some(true) && rest.is_empty()
}

/// Alternatives; `None` for what is no expression.
fn any(rest: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let mut met = all(rest, allowed)?;
    while take(rest, "OR") {
        met |= all(rest, allowed)?;
    }
    Some(met)
}

fn all(rest: &mut &[&str], allowed: &[String]) -> Option<bool> {
    let mut met = one(rest, allowed)?;
    while take(rest, "AND") {
        met &= one(rest, allowed)?;
    }
    Some(met)
}

fn one(rest: &mut &[&str], allowed: &[String]) -> Option<bool> {
    if take(rest, "(") {
        let met = any(rest, allowed)?;
        return take(rest, ")").then_some(met);
    }
    let mut licence = word(rest)?.to_owned();
    if take(rest, "WITH") {
        licence = format!("{licence} WITH {}", word(rest)?);
    }
    Some(allowed.contains(&licence))
}

fn word<'a>(rest: &mut &[&'a str]) -> Option<&'a str> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    (!matches!(*first, "AND" | "OR" | "WITH" | "(" | ")")).then_some(*first)
}

fn take(rest: &mut &[&str], wanted: &str) -> bool {
    let found = rest.first() == Some(&wanted);
    if found {
        *rest = &rest[1..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_or_not() {
        let allowed = ["MIT", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"].map(str::to_owned);
        for met in [
            "MIT",
            "MIT/Apache-2.0",
            "0BSD OR MIT OR Apache-2.0",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
            "GPL-3.0 AND ISC OR MIT",
        ] {
            assert!(is_met(met, &allowed), "{met}");
        }
        for unmet in [
            "",
            "GPL-3.0",
            "Apache-2.0",
            "MIT AND ISC",
            "MIT WITH LLVM-exception",
            "(MIT OR ISC) AND ISC",
            "MIT AND (ISC OR GPL-3.0)",
            "(MIT",
            "MIT)",
            "MIT MIT",
            "MIT OR",
            "OR MIT",
        ] {
            assert!(!is_met(unmet, &allowed), "{unmet}");
        }
    }
}
