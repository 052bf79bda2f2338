//! What the disk itself can do: how long an `fdatasync` takes.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Instant;

/// What is written before each `fdatasync`: one page.
const WRITE_BYTES: usize = 4_096;
/// The file is overwritten, as a log is that was written back: its size and blocks stay.
const FILE_BYTES: u64 = 16 * 1_024 * 1_024;

/// Microseconds of `samples` calls of `fdatasync`, each after one page was overwritten.
pub fn fdatasync_us(folder: &Path, samples: usize) -> anyhow::Result<Vec<u32>> {
    let path = folder.join("fdatasync");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&path)?;
    file.write_all(&vec![1; usize::try_from(FILE_BYTES)?])?;
    file.sync_all()?;
    let page = [2; WRITE_BYTES];
    let mut took = Vec::with_capacity(samples);
    file.seek(SeekFrom::Start(0))?;
    for sample in 0..samples {
        if ((sample as u64 + 1) * WRITE_BYTES as u64).is_multiple_of(FILE_BYTES) {
            file.seek(SeekFrom::Start(0))?;
        }
        let started = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        took.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(took)
}
