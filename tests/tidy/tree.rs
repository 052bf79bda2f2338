//! The files of the repository: what git tracks (or would), or everything below the crate where there is no git.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::source::Source;

/// Folders that are never part of the repository.
const OUTSIDE: [&str; 4] = [".git", "target", ".venv", "bench-results"];

/// The repository's files, by path from its root.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// The repository that this test belongs to.
    pub fn here() -> Self {
        let root = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let paths = tracked(&root).unwrap_or_else(|| walked(&root));
        assert!(
            paths.iter().any(|path| path == "src/lib.rs"),
            "the files of {} were not found",
            root.display()
        );
        let read = |path: String| std::fs::read(root.join(&path)).ok().map(|bytes| (path, bytes));
        Self { files: paths.into_iter().filter_map(read).collect() }
    }

    /// A made-up repository.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Self { files: files.collect() }
    }

    /// Every Rust file of ours.
    pub fn sources(&self) -> Vec<Source> {
        let is_ours =
            |path: &str| ["src/", "tests/", "benches/", "examples/"].iter().any(|top| path.starts_with(top));
        let rust = self.texts().filter(|(path, _)| is_ours(path) && path.ends_with(".rs"));
        Source::all(rust.map(|(path, text)| (path.to_owned(), text.to_owned())).collect())
    }

    /// Every file that is text, with its path.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, bytes)| Some((path.as_str(), std::str::from_utf8(bytes).ok()?)))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.files.get(path)?).ok()
    }

    /// Whether there is a file or a folder of that path.
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// The files directly in `folder`, by name.
    pub fn names_in(&self, folder: &str) -> Vec<&str> {
        let names = self.files.keys().filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        names.filter(|name| !name.contains('/')).collect()
    }
}

/// What git tracks, and what it would track next.
fn tracked(root: &Path) -> Option<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let listed = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> = listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    (!paths.is_empty()).then_some(paths)
}

fn walked(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let is_outside = OUTSIDE.iter().any(|name| entry.file_name() == *name);
            match entry.file_type().unwrap() {
                kind if kind.is_dir() && !is_outside => open.push(path),
                kind if kind.is_file() => found.push(path.to_string_lossy().replace('\\', "/")),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

#[test]
fn walking_and_git_find_the_same_sources() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let in_src = |paths: Vec<String>| -> Vec<String> {
        let mut paths: Vec<String> =
            paths.into_iter().filter(|path| path.starts_with("src/") && root.join(path).exists()).collect();
        paths.sort();
        paths
    };
    if let Some(tracked) = tracked(&root) {
        assert_eq!(in_src(tracked), in_src(walked(&root)));
    }
}
