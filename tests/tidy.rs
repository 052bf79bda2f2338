//! The house rules as tests. Each finding names the place and says what to do instead.
//!
//! A rule is a plain function from files to findings. The tests here run the rules over this repository; the tests
//! beside each rule run it over small bad samples, because a check that cannot fail is none.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod tidy {
    pub mod documents;
    pub mod finding;
    pub mod imports;
    pub mod manners;
    pub mod paths;
    pub mod purity;
    pub mod runner;
    pub mod schemas;
    pub mod scrub;
    pub mod shape;
    pub mod source;
    pub mod tree;
    pub mod words;
}

use tidy::finding::assert_none;
use tidy::tree::Tree;

#[test]
fn imports_run_one_way() {
    assert_none(&tidy::imports::check(&Tree::here().sources()));
}

#[test]
fn only_the_journal_names_rusqlite() {
    assert_none(&tidy::purity::rusqlite_outside_the_journal(&Tree::here().sources()));
}

#[test]
fn wire_types_stay_in_their_folder() {
    assert_none(&tidy::imports::wire(&Tree::here().sources()));
}

#[test]
fn the_core_is_pure() {
    assert_none(&tidy::purity::core(&Tree::here().sources()));
}

#[test]
fn only_the_clock_reads_time() {
    assert_none(&tidy::purity::time(&Tree::here().sources()));
}

#[test]
fn files_fit_a_sitting_and_functions_a_screen() {
    let sources = Tree::here().sources();
    assert_none(&tidy::shape::files(&sources));
    assert_none(&tidy::shape::functions(&sources));
}

#[test]
fn every_file_says_what_it_is_for() {
    assert_none(&tidy::shape::headers(&Tree::here().sources()));
}

#[test]
fn nothing_is_left_half_done() {
    assert_none(&tidy::manners::half_done(&Tree::here().sources()));
}

#[test]
fn nothing_panics_on_purpose_outside_tests() {
    assert_none(&tidy::manners::panics(&Tree::here().sources()));
}

#[test]
fn only_the_command_line_prints() {
    assert_none(&tidy::manners::prints(&Tree::here().sources()));
}

#[test]
fn no_test_sleeps() {
    assert_none(&tidy::manners::sleeps(&Tree::here().sources(), tidy::manners::REVIEWED_SLEEPS));
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    assert_none(&tidy::words::check(&Tree::here()));
}

#[test]
fn schemas_are_valid_and_have_examples_that_satisfy_them() {
    assert_none(&tidy::schemas::check(&Tree::here()));
}

#[test]
fn links_and_paths_in_documents_lead_somewhere() {
    assert_none(&tidy::documents::links(&Tree::here()));
}

#[test]
fn every_dependency_has_its_reason() {
    assert_none(&tidy::documents::dependencies(&Tree::here()));
}

#[test]
fn decisions_are_numbered_without_gaps() {
    assert_none(&tidy::documents::decisions(&Tree::here()));
}

#[test]
fn events_schemas_and_parts_of_the_house_are_described() {
    assert_none(&tidy::documents::described(&Tree::here()));
}

#[test]
fn every_benchmark_is_a_program_of_its_own() {
    assert_none(&tidy::documents::benches(&Tree::here()));
}
