//! Each rule: a snippet that breaks it, and one that looks like it.

use super::*;
use crate::tidy::files::scripted::{rust, text};

type Rule = fn(&Tree) -> Vec<Finding>;

/// Checks that `rule` finds something in lines `expected` of `source`.
fn finds(rule: Rule, path: &str, source: &str, expected: &[usize]) {
    let found: Vec<usize> = rule(&rust(path, source)).iter().map(|finding| finding.line).collect();
    assert_eq!(found, expected, "{path}: {source}");
}

const SRC: &str = "crates/bt-core/src/x.rs";

#[test]
fn unsafe_code_is_found() {
    finds(no_unsafe, SRC, "fn a() {}\nfn b() { unsafe { c() } }", &[2]);
    finds(no_unsafe, SRC, "// unsafe\nlet unsafe_code = \"unsafe\";", &[]);
}

#[test]
fn unwraps_outside_tests_are_found() {
    finds(no_unwrap, SRC, "a.unwrap();\nb.expect(\"\");", &[1, 2]);
    finds(no_unwrap, SRC, "a.unwrap_or(b); c.expect(\"set above\"); // d.unwrap()", &[]);
    finds(no_unwrap, SRC, "#[cfg(test)]\nmod tests {\n    fn a() { b.unwrap(); }\n}\nc.unwrap();", &[5]);
    finds(no_unwrap, "crates/bt-core/tests/x.rs", "a.unwrap();", &[]);
    finds(no_unwrap, "crates/bt-testkit/src/x.rs", "a.unwrap();", &[]);
}

#[test]
fn allowances_without_a_reason_are_found() {
    finds(allow_reasons, SRC, "#![allow(a)]\n#[allow(b)]\n#[expect(\n    c\n)]", &[2, 1, 3]);
    finds(
        allow_reasons,
        SRC,
        "#[allow(a, reason = \"see [b]\")]\n#[allow(\n    a,\n    reason = \"c\"\n)]",
        &[],
    );
}

#[test]
fn ignored_tests_and_examples_are_found() {
    finds(no_ignored_tests, SRC, "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n/// ```ignore\n/// ```", &[2, 4]);
    finds(no_ignored_tests, SRC, "/// ```no_run\n/// ```\nfn ignore() {}", &[]);
}

#[test]
fn placeholders_are_found() {
    finds(nothing_unfinished, SRC, "todo!();\nunimplemented!();\n// TODO: more\n// FIXME", &[1, 2, 3, 4]);
    finds(nothing_unfinished, SRC, "fn todo() {} // MASTODON\nlet a = \"TODO\";", &[]);
    assert_eq!(nothing_unfinished(&text("docs/x.md", "a\nTODO b")).len(), 1);
}

#[test]
fn waits_in_tests_are_found() {
    finds(
        no_waits_in_tests,
        "crates/bt-bus/tests/x.rs",
        "std::thread::sleep(a);\nuse std::thread::sleep;",
        &[1, 2],
    );
    finds(no_waits_in_tests, "crates/bt-bus/tests/x.rs", "tokio::time::sleep(a).await;", &[]);
    finds(no_waits_in_tests, SRC, "std::thread::sleep(a);", &[]);
}

#[test]
fn generators_are_found() {
    finds(
        no_generators,
        SRC,
        "use async_stream::x;\nlet a = stream! {};\nlet b = try_stream! {};",
        &[1, 2, 3],
    );
    finds(no_generators, SRC, "use futures::stream;\nmy_stream!();", &[]);
}

#[test]
fn hashed_collections_on_the_data_path_are_found() {
    finds(no_hashing, SRC, "use std::collections::HashMap;\nlet a: HashSet<u8>;", &[1, 2]);
    finds(no_hashing, SRC, "use std::collections::BTreeMap;", &[]);
    finds(no_hashing, "crates/bt-cli/src/x.rs", "use std::collections::HashMap;", &[]);
}

#[test]
fn wall_clocks_on_the_data_path_are_found() {
    finds(no_wall_clock, SRC, "Instant::now();\nSystemTime::now();", &[1, 2]);
    finds(no_wall_clock, CLOCK, "SystemTime::now();", &[]);
    finds(no_wall_clock, "crates/bt-engine/src/x.rs", "Instant::now();", &[]);
}

#[test]
fn logic_in_lib_rs_is_found() {
    let good = "//! Docs.\n\n#![allow(a, reason = \"b\")]\nmod a;\n#[cfg(b)]\npub mod b;\npub use a::{\n    C, D,\n};\n";
    finds(bare_lib, "crates/bt-x/src/lib.rs", good, &[]);
    finds(bare_lib, "crates/bt-x/src/lib.rs", &format!("{good}\npub fn e() {{}}\n"), &[11]);
    finds(bare_lib, "crates/bt-x/src/lib.rs", "//! Docs.\nmod a {\n    struct B;\n}\n", &[2, 4]);
    finds(bare_lib, "crates/bt-x/src/lib.rs", "mod a;\n", &[1]);
    finds(bare_lib, SRC, "fn a() {}", &[]);
}

#[test]
fn streams_that_are_not_fused_or_may_go_unused_are_found() {
    let good = "pin_project! {\n    /// Doc.\n    #[must_use = \"polled\"]\n    pub struct A<S> { s: S }\n}\n\
        impl<S> Stream for A<S> {}\nimpl<S> FusedStream for A<S> {}\n";
    finds(streams, SRC, good, &[]);
    finds(streams, SRC, &good.replace("    #[must_use = \"polled\"]\n", ""), &[3]);
    finds(streams, SRC, &good.replace("FusedStream", "Other"), &[6]);
    finds(streams, SRC, "struct A;\nimpl Stream for A {}\nimpl<S> Stream for Box<S> {}", &[]);
}

#[test]
fn long_files_are_found() {
    let lines = |n: usize| "a();\n".repeat(n);
    finds(short_files, SRC, &lines(401), &[1]);
    finds(short_files, SRC, &format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", lines(400), lines(90)), &[]);
}
