//! The configuration as its author meets it: what loads, what does not, and that every finding names the place and what
//! would be right without ever showing a secret.

use std::collections::BTreeMap;
use std::path::Path;

use causeway::config::{self, Loaded};
use causeway::vm_request::violation::Violation;

/// A bridge's smallest configuration. `{…}` in a test replaces or follows a line of it.
const SMALLEST: &str = r#"
instance = "test"

[journal]
path = "journal.db"

[[api_tokens]]
name = "operator"
secret = { env = "API_TOKEN" }

[[sources]]
name = "itsm"
scheme = "standard_webhooks"
secrets = [{ env = "WEBHOOK" }]

[[controllers]]
name = "lab"
base_url = "http://127.0.0.1:1"
token = { env = "TOKEN" }

[[vcenters]]
name = "vc"
url = "http://127.0.0.1:1/sdk"
username = "lab"
password = { env = "PASSWORD" }

[catalog.environments.prod]
controller = "lab"
vcenter = "vc"
datacenter = "DC0"
cluster = "C0"
folder = "prod"
datastore = "ds"
default_network = "net"

[catalog.environments.prod.networks.net]
dhcp = true

[[catalog.images]]
vm_os = "redhat"
vm_os_version = "9"
template = "rhel9"

[catalog.sizes]
small = { cpu = 2, memory_mib = 4096 }
"#;

/// The secrets of these tests. None may ever be seen in an error, a warning or a debug text.
const SECRETS: [(&str, &str); 4] = [
    ("API_TOKEN", "s3cr3t-of-the-operators-api"),
    ("WEBHOOK", "whsec_czNjcjN0LW9mLXRoZS13ZWJob29rLTAwMDE="),
    ("TOKEN", "s3cr3t-of-the-controller"),
    ("PASSWORD", "s3cr3t-of-the-vcenter"),
];

fn env(name: &str) -> Option<String> {
    let known: BTreeMap<&str, &str> = SECRETS.into_iter().collect();
    known.get(name).map(|value| (*value).to_owned())
}

fn parse(text: &str) -> Result<Loaded, Vec<Violation>> {
    let parsed = config::parse(text, Path::new("."), &env);
    let shown = format!("{parsed:?}");
    for (name, secret) in SECRETS {
        assert!(!shown.contains(secret), "{name} is shown: {shown}");
    }
    parsed
}

/// The findings of [`SMALLEST`] with every `(from, to)` replaced.
fn wrong(changes: &[(&str, &str)]) -> Vec<Violation> {
    let mut text = SMALLEST.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the test's own text lacks {from}");
        text = text.replacen(from, to, 1);
    }
    let found = parse(&text).expect_err("a configuration that cannot be used");
    for violation in &found {
        assert!(!violation.expected.is_empty(), "no remedy: {violation}");
        let said = violation.to_string();
        assert!(!said.contains('\n'), "one line each: {said}");
        for (name, secret) in SECRETS {
            assert!(!said.contains(secret), "{name} is shown: {said}");
        }
    }
    found
}

fn places(found: &[Violation]) -> Vec<&str> {
    found.iter().map(|violation| violation.pointer.as_str()).collect()
}

/// The one finding after the changes.
#[track_caller]
fn one(changes: &[(&str, &str)]) -> Violation {
    let mut found = wrong(changes);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[test]
fn the_smallest_configuration_loads_without_a_warning() {
    let loaded = parse(SMALLEST).expect("a good configuration");
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(loaded.config.controllers[0].workflow, "VM Deployment Workflow");
    assert_eq!(loaded.config.policy.settle_secs, 300);
    assert_eq!(loaded.config.controllers[0].token.expose(), "s3cr3t-of-the-controller");
}

#[test]
fn the_example_loads_with_its_secret_files_and_its_catalog_has_no_violation() {
    let folder = tempfile::tempdir().expect("a folder");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/causeway.example.toml");
    let text = std::fs::read_to_string(example).expect("the example");
    let mut files = 0;
    for part in text.split("file = \"").skip(1) {
        let path = part.split('"').next().expect("a closing quote");
        if !path.starts_with('/') {
            continue; // The comment that explains references.
        }
        let name = Path::new(path).file_name().expect("a file's name");
        let secret = if path.contains("servicenow") {
            "whsec_czNjcjN0LW9mLXRoZS13ZWJob29rLTAwMDE=".to_owned()
        } else {
            format!("a-secret-only-for-{}\n", name.display())
        };
        std::fs::write(folder.path().join(name), secret).expect("a secret's file");
        files += 1;
    }
    assert!(files >= 5, "the example keeps its secrets in files");
    let here = folder.path().join("causeway.toml");
    let text = text.replace("/run/secrets/", "");
    std::fs::write(&here, text).expect("the configuration");
    let loaded = config::load(&here).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let shown = format!("{loaded:?}");
    assert!(!shown.contains("a-secret-only-for"), "{shown}");
    assert_eq!(loaded.config.controllers[0].token.expose(), "a-secret-only-for-aap-token");
    causeway::bridge::access(&loaded.config).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_configuration_that_is_not_there_is_named_with_its_path() {
    let error = config::load(Path::new("no/such/causeway.toml")).expect_err("there is none");
    let said = error.to_string();
    assert!(said.contains("no/such/causeway.toml") && said.contains("cannot be read"), "{said}");
}

#[test]
fn a_syntax_error_names_the_line_and_not_its_text() {
    let said = one(&[("token = { env = \"TOKEN\" }", "token = \"s3cr3t-of-the-controller")]).to_string();
    let line = 1 + SMALLEST[..SMALLEST.find("token = {").expect("the line")].matches('\n').count();
    assert!(said.contains(&format!("line {line} ")), "{said}");
}

// ---- references ----

#[test]
fn every_reference_that_leads_nowhere_is_told_at_once() {
    let found = wrong(&[
        ("{ env = \"API_TOKEN\" }", "{ env = \"NOT_SET\" }"),
        ("{ env = \"TOKEN\" }", "{ file = \"no/such/file\" }"),
        ("[{ env = \"WEBHOOK\" }]", "[{ env = \"WEBHOOK\" }, { env = \"NOT_SET_EITHER\" }]"),
    ]);
    let mut seen = places(&found);
    seen.sort_unstable();
    assert_eq!(seen, ["/api_tokens/0/secret", "/controllers/0/token", "/sources/0/secrets/1"]);
    let said = found.iter().map(Violation::to_string).collect::<String>();
    assert!(said.contains("NOT_SET is not set") && said.contains("no/such/file"), "{said}");
}

#[test]
fn files_are_taken_from_beside_the_configuration_and_have_to_hold_a_little_text() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("secrets")).expect("a folder");
    let here = folder.path().join("causeway.toml");
    let token = folder.path().join("secrets/token");
    std::fs::write(&here, references_to_files()).expect("the configuration");
    let said = |content: &[u8]| {
        std::fs::write(&token, content).expect("the secret's file");
        match config::load(&here) {
            Ok(loaded) => loaded.config.controllers[0].token.expose().to_owned(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(said(b"s3cr3t-in-a-file\r\n"), "s3cr3t-in-a-file");
    assert_eq!(said(b"  inner spaces stay  \n"), "  inner spaces stay  ");
    assert!(said(b"").contains("is empty"), "{}", said(b""));
    assert!(said(b"\n\n").contains("is empty"));
    assert!(said(&vec![b'x'; 65 * 1024]).contains("more than 65536"));
    assert!(said(&[0xff, 0xfe, 0x00]).contains("cannot be read"));
    std::fs::remove_file(&token).expect("removed");
    let gone = config::load(&here).expect_err("no file").to_string();
    assert!(gone.contains("/controllers/0/token") && gone.contains("secrets/token"), "{gone}");
    std::fs::create_dir(&token).expect("a folder in the file's place");
    assert!(config::load(&here).is_err());
}

fn references_to_files() -> String {
    let mut text = SMALLEST.to_owned();
    for (name, secret) in SECRETS {
        let from = format!("{{ env = \"{name}\" }}");
        let to =
            if name == "TOKEN" { "{ file = \"secrets/token\" }".to_owned() } else { format!("\"{secret}\"") };
        text = text.replace(&from, &to);
    }
    text
}

#[test]
fn a_reference_may_stand_for_any_text() {
    let text = SMALLEST.replace("instance = \"test\"", "instance = { env = \"NAME\" }");
    let with_name = |name: &str| env(name).or_else(|| (name == "NAME").then(|| "from-outside".to_owned()));
    let loaded = config::parse(&text, Path::new("."), &with_name).expect("a good configuration");
    assert_eq!(loaded.config.instance, "from-outside");
}

// ---- fields ----

#[test]
fn unknown_keys_are_named_with_their_place_wherever_they_stand() {
    let cases = [
        ("instance = \"test\"", "instance = \"test\"\ninstanc = 1", "/instanc"),
        ("path = \"journal.db\"", "path = \"journal.db\"\npth = 1", "/journal/pth"),
        ("name = \"operator\"", "name = \"operator\"\nmay_aprove = true", "/api_tokens/0/may_aprove"),
        ("name = \"itsm\"", "name = \"itsm\"\nsecret = \"x\"", "/sources/0/secret"),
        ("name = \"lab\"", "name = \"lab\"\nverify_tls = false", "/controllers/0/verify_tls"),
        ("username = \"lab\"", "username = \"lab\"\nuser = \"lab\"", "/vcenters/0/user"),
        ("cluster = \"C0\"", "cluster = \"C0\"\nclusters = []", "/catalog/environments/prod/clusters"),
        ("dhcp = true", "dhcp = true\ndchp = true", "/catalog/environments/prod/networks/net/dchp"),
        ("template = \"rhel9\"", "template = \"rhel9\"\ntemplates = 1", "/catalog/images/0/templates"),
        ("cpu = 2,", "cpu = 2, cores = 2,", "/catalog/sizes/small/cores"),
        ("[journal]", "[policy]\npoll_interval = 5\n\n[journal]", "/policy/poll_interval"),
        ("[journal]", "[http]\nport = 80\n\n[journal]", "/http/port"),
        ("[journal]", "[http.limits]\nnonsense = 80\n\n[journal]", "/http/limits/nonsense"),
        ("[catalog.sizes]", "[catalog.limits]\nnonsense = 1\n\n[catalog.sizes]", "/catalog/limits/nonsense"),
    ];
    for (from, to, place) in cases {
        let found = one(&[(from, to)]);
        assert_eq!(found.pointer, place, "{found}");
        assert!(found.detail.contains("not a known field"), "{found}");
    }
}

#[test]
fn the_second_of_two_is_the_one_that_is_named() {
    let more =
        "[[controllers]]\nname = \"other\"\nbase_url = \"http://127.0.0.1:2\"\ntokn = \"x\"\n\n[[vcenters]]";
    let found = one(&[("[[vcenters]]", more)]);
    assert!(found.pointer.starts_with("/controllers/1/"), "{found}");
}

#[test]
fn wrong_types_are_named_with_what_would_be_right_and_never_repeat_the_value() {
    let cases = [
        ("instance = \"test\"", "instance = 4711", "/instance", "string"),
        ("path = \"journal.db\"", "path = true", "/journal/path", "path"),
        ("token = { env = \"TOKEN\" }", "token = 4711", "/controllers/0/token", "string"),
        (
            "secrets = [{ env = \"WEBHOOK\" }]",
            "secrets = { env = \"WEBHOOK\" }",
            "/sources/0/secrets",
            "sequence",
        ),
        ("secrets = [{ env = \"WEBHOOK\" }]", "secrets = [4711]", "/sources/0/secrets", "string"),
        ("cpu = 2,", "cpu = \"4711\",", "/catalog/sizes/small/cpu", "u32"),
        ("cpu = 2,", "cpu = -4711,", "/catalog/sizes/small/cpu", "u32"),
        ("dhcp = true", "dhcp = \"4711\"", "/catalog/environments/prod/networks/net/dhcp", "boolean"),
        ("scheme = \"standard_webhooks\"", "scheme = \"4711\"", "/sources/0/scheme", "hub_signature_256"),
        ("[journal]", "[http]\nlisten = \"4711\"\n\n[journal]", "/http/listen", ""),
        ("[journal]", "[policy]\nsettle_secs = \"4711\"\n\n[journal]", "/policy/settle_secs", "u64"),
        (
            "password = { env = \"PASSWORD\" }",
            "password = { secret = \"4711\" }",
            "/vcenters/0/password",
            "string",
        ),
        ("scheme = \"standard_webhooks\"", "scheme = { env = \"PASSWORD\" }", "/sources/0/scheme", "bearer"),
    ];
    for (from, to, place, right) in cases {
        let found = one(&[(from, to)]);
        assert_eq!(found.pointer, place, "{found}");
        assert!(found.expected.contains(right), "{found}");
        assert!(!found.to_string().contains("4711"), "the value is repeated: {found}");
    }
}

#[test]
fn missing_fields_and_sections_are_named() {
    let cases = [
        ("instance = \"test\"\n", "", "/instance"),
        ("path = \"journal.db\"\n", "", "/journal/path"),
        ("[journal]\npath = \"journal.db\"\n", "", "/journal"),
        ("token = { env = \"TOKEN\" }\n", "", "/controllers/0/token"),
        ("folder = \"prod\"\n", "", "/catalog/environments/prod/folder"),
    ];
    for (from, to, place) in cases {
        let found = one(&[(from, to)]);
        assert_eq!((found.pointer.as_str(), found.detail.as_str()), (place, "is missing"), "{found}");
    }
}

#[test]
fn what_is_wrong_in_several_places_is_told_at_once() {
    let found = wrong(&[
        ("name = \"operator\"", "name = 1"),
        ("username = \"lab\"\n", ""),
        ("cpu = 2,", "cpu = true,"),
        ("template = \"rhel9\"", "templat = \"rhel9\""),
    ]);
    let mut seen = places(&found);
    seen.sort_unstable();
    let wanted = [
        "/api_tokens/0/name",
        "/catalog/images/0/templat",
        "/catalog/sizes/small/cpu",
        "/vcenters/0/username",
    ];
    assert_eq!(seen, wanted);
}

// ---- what belongs together ----

#[test]
fn names_that_stand_twice_are_refused() {
    let again = |section: &str| {
        let start = SMALLEST.find(section).expect("the section");
        let rest = &SMALLEST[start + section.len()..];
        let end = rest.find("\n[").map_or(SMALLEST.len(), |at| start + section.len() + at);
        SMALLEST[start..end].to_owned()
    };
    for (section, place) in [
        ("[[controllers]]", "/controllers/1/name"),
        ("[[vcenters]]", "/vcenters/1/name"),
        ("[[sources]]", "/sources/1/name"),
        ("[[api_tokens]]", "/api_tokens/1/name"),
    ] {
        let text = SMALLEST.replace(section, &format!("{}\n\n{section}", again(section)));
        let found = parse(&text).expect_err("a name twice");
        assert_eq!(places(&found), [place], "{found:?}");
        assert!(found[0].expected.contains("of its own"), "{}", found[0]);
    }
}

#[test]
fn environments_that_name_nothing_configured_are_refused() {
    let found =
        wrong(&[("controller = \"lab\"", "controller = \"lba\""), ("vcenter = \"vc\"", "vcenter = \"cv\"")]);
    assert_eq!(
        places(&found),
        ["/catalog/environments/prod/controller", "/catalog/environments/prod/vcenter"]
    );
    assert!(found[0].expected.contains("lab") && found[1].expected.contains("vc"), "{found:?}");
    let network = one(&[("default_network = \"net\"", "default_network = \"nte\"")]);
    assert_eq!(network.pointer, "/catalog/environments/prod/default_network");
}

#[test]
fn names_that_cannot_stand_in_an_address_are_refused() {
    let found =
        wrong(&[("name = \"lab\"", "name = \"a/b\""), ("controller = \"lab\"", "controller = \"a/b\"")]);
    assert_eq!(places(&found), ["/controllers/0/name"]);
    let reserved = one(&[("name = \"itsm\"", "name = \"aap\"")]);
    assert_eq!(reserved.pointer, "/sources/0/name");
}

#[test]
fn values_that_cannot_work_are_refused() {
    assert_eq!(one(&[("instance = \"test\"", "instance = \"\"")]).pointer, "/instance");
    assert_eq!(one(&[("[journal]", "[http]\nworkers = 0\n\n[journal]")]).pointer, "/http/workers");
    assert_eq!(one(&[("cpu = 2,", "cpu = 0,")]).pointer, "/catalog/sizes/small/cpu");
    let secret = one(&[("[{ env = \"WEBHOOK\" }]", "[{ env = \"TOKEN\" }]")]);
    assert_eq!(secret.pointer, "/sources/0/secrets/0", "a secret that the scheme cannot use");
}

#[test]
fn secrets_in_the_file_itself_are_warned_of_by_place() {
    let mut text = SMALLEST.to_owned();
    for (name, secret) in SECRETS {
        text = text.replace(&format!("{{ env = \"{name}\" }}"), &format!("\"{secret}\""));
    }
    let loaded = parse(&text).expect("it works");
    let mut places: Vec<&str> =
        loaded.warnings.iter().filter_map(|warning| warning.split_whitespace().next()).collect();
    places.sort_unstable();
    let wanted =
        ["/api_tokens/0/secret", "/controllers/0/token", "/sources/0/secrets", "/vcenters/0/password"];
    assert_eq!(places, wanted);
    assert!(loaded.warnings.iter().all(|warning| warning.contains("file =") && warning.contains("env =")));
}

#[test]
fn a_token_that_could_be_guessed_is_warned_of() {
    let text = SMALLEST.replace("{ env = \"API_TOKEN\" }", "{ env = \"SHORT\" }");
    let short = |name: &str| env(name).or_else(|| (name == "SHORT").then(|| "hunter2".to_owned()));
    let loaded = config::parse(&text, Path::new("."), &short).expect("it works");
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].starts_with("/api_tokens/0/secret"), "{:?}", loaded.warnings);
    assert!(!loaded.warnings[0].contains("hunter2"));
}
