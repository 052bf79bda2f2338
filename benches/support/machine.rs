//! What the machine says of itself.

use std::fs;

/// The machine's load of the last minute, as the kernel shows it; `?` where it shows none.
pub fn load_of_the_machine() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("?").to_owned()
}
