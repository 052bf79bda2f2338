//! The runner itself: `./test` shows every failure and counts what it ran.

use std::path::Path;
use std::process::{Command, Output};

/// Runs `script` in a shell that knows the runner's functions.
fn with_the_runner(script: &str) -> Output {
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("test");
    let script = format!("source '{}'\n{script}", runner.display());
    Command::new("bash").arg("-c").arg(script).output().expect("bash is there")
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_suite_that_fails_does_not_hide_those_after_it() {
    let output = with_the_runner(
        "suite_first() { echo 'first ran'; }
         suite_second() { false; echo 'never reached'; }
         suite_third() { echo 'third ran'; }
         run_suites first second third",
    );
    let shown = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("first ran") && shown.contains("third ran"), "{shown}");
    assert!(!shown.contains("never reached"), "a suite stops at its first failing command: {shown}");
    assert!(shown.contains("failed: second\n"), "{shown}");
    assert_eq!(shown.lines().last(), Some("2 passed, 1 failed"));
}

#[test]
fn suites_that_pass_are_counted_and_timed() {
    let output = with_the_runner("suite_only() { :; }; run_suites only");
    let shown = printed(&output);
    assert!(output.status.success(), "{shown}");
    assert!(shown.lines().any(|line| line.starts_with("only") && line.ends_with(" s")), "{shown}");
    assert_eq!(shown.lines().last(), Some("1 passed, 0 failed"));
}

#[test]
fn every_listed_suite_is_there_and_an_unlisted_one_is_refused() {
    let output = with_the_runner(
        "for name in \"${SUITES[@]}\"; do declare -F \"suite_$name\" || echo \"no $name\"; done",
    );
    let shown = printed(&output);
    assert!(shown.contains("suite_rust") && !shown.contains("no "), "{shown}");
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("test");
    let refused = Command::new(runner).arg("no-such-suite").output().expect("the runner may be executed");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("rust"));
}
