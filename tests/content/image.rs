//! Images: downloaded once, checked, deployed, converted; and never in the place of another.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::bench::{Bench, Ran, launch, root, with};

const STAGE: &str = "vm_image";
/// What lets one in at a server of images, where its addresses are signed.
const SIGNATURE: &str = "s1gnature-of-an-address";

/// Serves files of a folder, and counts how often each was asked for.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<HashMap<String, usize>>>,
}

impl Server {
    fn start(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(HashMap::new()));
        let counted = Arc::clone(&asked);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if let Some(name) = answer(stream, &folder) {
                    *counted.lock().unwrap().entry(name).or_default() += 1;
                }
            }
        });
        Self { address, asked }
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}/{name}?signature={SIGNATURE}", self.address)
    }

    fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().get(name).copied().unwrap_or(0)
    }
}

/// Answers one request and says which file it was for.
fn answer(mut stream: TcpStream, folder: &Path) -> Option<String> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let first = lines.next()?;
    // The client is content once all that it sent was read.
    lines.find(String::is_empty)?;
    let name = first.split(' ').nth(1)?.trim_start_matches('/').split('?').next()?.to_owned();
    let (status, body) = match fs::read(folder.join(&name)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()?;
    Some(name)
}

/// A simulator, a server with one image as OVA and as OVF, and a cache.
struct Place {
    bench: Bench,
    server: Server,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        fs::create_dir(&images).unwrap();
        fs::copy(root().join("tests/data/vcenter/tiny.ovf"), images.join("tiny.ovf")).unwrap();
        // The simulator takes whatever it is given for a disk.
        fs::write(images.join("tiny-disk1.vmdk"), "a disk, for whoever believes it\n").unwrap();
        let tar = ["--format=ustar", "-cf", "tiny.ova", "tiny.ovf", "tiny-disk1.vmdk"];
        assert!(Command::new("tar").current_dir(&images).args(tar).status().unwrap().success());
        Self { bench: Bench::new(), server: Server::start(images), folder }
    }

    fn checksum(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join("images").join(name)).unwrap();
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn asking(&self, name: &str, more: Value) -> Value {
        let image = json!({
            "image_name": name, "image_folder": "templates", "image_url": self.server.url("tiny.ova"),
            "image_checksum": self.checksum("tiny.ova"), "image_cache_folder": self.cache(), "retry_delay": 0,
        });
        with(with(launch(), image), more)
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Every file in the cache.
    fn cached(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.cache()).into_iter().flatten();
        folders
            .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
            .map(|file| file.unwrap().path())
            .collect()
    }
}

fn wants_finding(ran: &Ran, code: &str) {
    let artifact = ran.artifact(STAGE);
    let findings = artifact["data"]["findings"].as_array().cloned().unwrap_or_default();
    assert!(findings.iter().any(|finding| finding["code"] == code), "no {code}: {artifact:#}");
    assert_eq!(ran.changed, 0, "{}", ran.output);
}

#[test]
fn an_image_is_downloaded_once_and_becomes_a_template() {
    let place = Place::new();
    let checksum = place.checksum("tiny.ova");
    let told = place.bench.passes_twice(STAGE, &place.asking("tiny-1.0", json!({}))).artifact(STAGE);
    let data = &told["data"];
    assert_eq!(
        (&data["cached"], &data["is_template"], &data["changed"]),
        (&json!(false), &json!(true), &json!(true))
    );
    assert_eq!(data["checksum"], format!("sha256:{checksum}"));
    assert_eq!(data["source"], format!("http://{}/tiny.ova", place.server.address));
    let template = place.bench.vm("templates/tiny-1.0");
    assert_eq!(
        (&template["config"]["template"], &template["self"]["value"]),
        (&json!(true), &data["vm_moid"])
    );
    let marks = template["config"]["extraConfig"].as_array().unwrap();
    let mark = marks.iter().find(|mark| mark["key"] == "guestinfo.causeway.image");
    assert_eq!(mark.map(|mark| &mark["value"]), Some(&json!(checksum)), "{marks:?}");
    assert_eq!((place.server.asked("tiny.ova"), place.bench.requests("ImportVApp").len()), (1, 1));

    // Taken from the cache; fetched anew where that holds something else.
    let told = place.bench.passes(STAGE, &place.asking("tiny-1.1", json!({}))).artifact(STAGE);
    assert_eq!((&told["data"]["cached"], place.server.asked("tiny.ova")), (&json!(true), 1));
    for file in place.cached() {
        fs::write(file, "rubbish").unwrap();
    }
    let told = place.bench.passes(STAGE, &place.asking("tiny-1.2", json!({}))).artifact(STAGE);
    assert_eq!((&told["data"]["cached"], place.server.asked("tiny.ova")), (&json!(false), 2));

    // An OVF, with its disk beside it. A new image does not go where another is.
    let ovf = json!({
        "image_url": place.server.url("tiny.ovf"), "image_checksum": format!("sha256:{}", place.checksum("tiny.ovf")),
        "image_disks": [{"url": place.server.url("tiny-disk1.vmdk"), "checksum": place.checksum("tiny-disk1.vmdk")}],
    });
    wants_finding(&place.bench.fails(STAGE, &place.asking("tiny-1.0", ovf.clone())), "image_changed");
    assert_eq!(place.server.asked("tiny.ovf"), 0);
    let told = place.bench.passes(STAGE, &place.asking("tiny-2.0", ovf)).artifact(STAGE);
    assert_eq!((&told["data"]["is_template"], place.server.asked("tiny-disk1.vmdk")), (&json!(true), 1));
}

#[test]
fn what_is_not_what_its_checksum_says_is_thrown_away() {
    let place = Place::new();
    let other = "0".repeat(64);
    let mismatch = place.asking("tiny-1.0", json!({"image_checksum": other}));
    let environment = [
        ("ANSIBLE_VERBOSITY", "4"),
        ("CAUSEWAY_IMAGE_USER", "reader"),
        ("CAUSEWAY_IMAGE_PASSWORD", "r3ader-s3cret"),
    ];
    let ran = place.bench.run_with(STAGE, &mismatch, &environment);
    let artifact = ran.artifact(STAGE);
    let error = artifact["data"]["error"].as_str().unwrap_or_default();
    assert!(!ran.succeeded && error.starts_with("image_checksum_mismatch: "), "{artifact:#}");
    assert!(error.contains(&place.checksum("tiny.ova")), "it says what arrived: {error}");
    assert_eq!((&artifact["task"]["retry_count"], place.server.asked("tiny.ova")), (&json!(0), 1));
    assert_eq!((place.cached(), place.bench.requests("ImportVApp").len()), (Vec::new(), 0));
    for secret in [SIGNATURE, "r3ader-s3cret"] {
        let found = ran.output.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "a secret is told: {:.300}", found.unwrap_or_default());
    }

    let gone = json!({"image_url": place.server.url("gone.ova"), "max_retries": 1});
    let artifact = place.bench.fails(STAGE, &place.asking("tiny-1.0", gone)).artifact(STAGE);
    let error = artifact["data"]["error"].as_str().unwrap_or_default();
    assert!(error.starts_with("image_download: ") && error.contains("404"), "{artifact:#}");
    assert_eq!((&artifact["task"]["retry_count"], place.server.asked("gone.ova")), (&json!(1), 2));

    let wrong = json!({
        "image_url": "http://reader:pw@images.example.com/tiny.zip", "image_checksum": "md5:1", "image_networks": {"VM Network": 1},
        "image_disks": "disk", "image_folder": "lost",
    });
    let ran = place.bench.fails(STAGE, &place.asking("-bad-", wrong));
    for code in [
        "image_name_invalid",
        "image_url_has_secret",
        "image_url_invalid",
        "image_checksum_invalid",
        "image_disks_invalid",
        "image_networks_invalid",
        "folder_missing",
    ] {
        wants_finding(&ran, code);
    }
    assert!(!ran.output.contains("reader:pw"), "who logs in is told");

    // Somebody's VM has the name.
    place.bench.vcsim.endpoint.govc(&[
        "vm.create",
        "-folder",
        "/DC0/vm/templates",
        "-pool",
        "/DC0/host/C0/Resources",
        "-ds",
        "prod-ds",
        "-net",
        "prod-app",
        "-on=false",
        "taken",
    ]);
    wants_finding(&place.bench.fails(STAGE, &place.asking("taken", json!({}))), "name_taken");
    // A module that deploys does not look at the folder.
    place.bench.vcsim.endpoint.govc(&["object.mv", "/DC0/vm/templates/taken", "/DC0/vm/dev"]);
    wants_finding(&place.bench.fails(STAGE, &place.asking("taken", json!({}))), "name_taken");
    assert_eq!(place.bench.requests("ImportVApp").len(), 0);
}
