//! The published vectors, and everything that must not pass.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../tests/data/itsm/test-vectors.json");
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Default, Clone)]
struct Sent(BTreeMap<String, Vec<Vec<u8>>>);

impl Sent {
    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.entry(name.to_owned()).or_default().push(value.as_ref().to_vec());
        self
    }
}

impl Headers for Sent {
    fn header(&self, name: &str) -> Header<'_> {
        match self.0.get(name).map(Vec::as_slice) {
            None => Header::Missing,
            Some([one]) => Header::One(one),
            Some(_) => Header::Many,
        }
    }
}

fn verifier(scheme: Scheme, secrets: &[&str]) -> Verifier {
    let secrets: Vec<Secret> = secrets.iter().copied().map(Secret::new).collect();
    Verifier::new(scheme, &secrets, None, 300).map_err(|(_, why)| why).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

#[test]
fn every_published_vector_passes_and_signs_the_same() {
    let vectors: Vec<BTreeMap<String, Value>> = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in &vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let (secret, body) = (Secret::new(text("secret")), text("body").as_bytes());
        if text("scheme") == "standard-webhooks" {
            let seconds = vector["timestamp"].as_i64().unwrap();
            let sent = Sent::default()
                .with("webhook-id", text("id"))
                .with("webhook-timestamp", seconds.to_string())
                .with("webhook-signature", text("value"));
            let proof =
                verifier(Scheme::StandardWebhooks, &[secret.expose()]).verify(&sent, body, at(seconds));
            assert_eq!(proof.unwrap().delivery_id.as_deref(), Some(text("id")));
            let signed = sign_standard_webhooks(&secret, text("id"), at(seconds), body).unwrap();
            assert_eq!(signed.signature, text("value"));
        } else {
            let sent = Sent::default().with(&text("header").to_ascii_lowercase(), text("value"));
            let hub = verifier(Scheme::HubSignature256, &[secret.expose()]);
            assert_eq!(hub.verify(&sent, body, at(0)), Ok(Proof::default()));
            assert_eq!(sign_hub_256(&secret, body).unwrap(), text("value"));
        }
    }
}

fn signed(secret: &str, id: &str, seconds: i64, body: &[u8]) -> Sent {
    let signed = sign_standard_webhooks(&Secret::new(secret), id, at(seconds), body).unwrap();
    signed.pairs().into_iter().fold(Sent::default(), |sent, (name, value)| sent.with(name, value))
}

#[test]
fn the_timestamp_may_be_off_by_the_tolerance_and_no_more_both_ways() {
    let verifier = verifier(Scheme::StandardWebhooks, &[SECRET]);
    let sent = signed(SECRET, "msg_1", 1_000_000, b"{}");
    for (now, fits) in [(999_699, false), (999_700, true), (1_000_300, true), (1_000_301, false)] {
        let verdict = verifier.verify(&sent, b"{}", at(now));
        let expected = if fits { None } else { Some(SignatureError::OutsideTolerance) };
        assert_eq!(verdict.err(), expected, "{now}");
    }
}

#[test]
fn any_of_several_secrets_is_enough_and_another_is_not() {
    let both = verifier(Scheme::StandardWebhooks, &[OTHER, SECRET]);
    let sent = signed(SECRET, "msg_1", 100, b"{}");
    assert!(both.verify(&sent, b"{}", at(100)).is_ok());
    let other = verifier(Scheme::StandardWebhooks, &[OTHER]);
    assert_eq!(other.verify(&sent, b"{}", at(100)), Err(SignatureError::Mismatch));
}

#[test]
fn body_id_and_time_are_signed() {
    let verifier = verifier(Scheme::StandardWebhooks, &[SECRET]);
    let sent = signed(SECRET, "msg_1", 100, b"{}");
    assert_eq!(verifier.verify(&sent, b"{ }", at(100)), Err(SignatureError::Mismatch));
    for (name, value) in [("webhook-id", "msg_2"), ("webhook-timestamp", "101")] {
        let mut changed = sent.clone();
        changed.0.insert(name.to_owned(), vec![value.into()]);
        assert_eq!(verifier.verify(&changed, b"{}", at(100)), Err(SignatureError::Mismatch), "{name}");
    }
}

#[test]
fn a_list_of_signatures_passes_when_one_fits_and_other_versions_are_passed_over() {
    let verifier = verifier(Scheme::StandardWebhooks, &[SECRET]);
    let mut sent = signed(SECRET, "msg_1", 100, b"{}");
    let good = String::from_utf8(sent.0["webhook-signature"][0].clone()).unwrap();
    let list = format!("v1a,AAAA v1,{} {good}", "A".repeat(44));
    sent.0.insert("webhook-signature".to_owned(), vec![list.into_bytes()]);
    assert!(verifier.verify(&sent, b"{}", at(100)).is_ok());
    let only_other_version = good.replacen("v1,", "v1a,", 1);
    sent.0.insert("webhook-signature".to_owned(), vec![only_other_version.into_bytes()]);
    assert_eq!(verifier.verify(&sent, b"{}", at(100)), Err(SignatureError::Mismatch));
}

#[test]
fn headers_that_are_missing_doubled_or_not_text_are_refused_without_a_panic() {
    let verifier = verifier(Scheme::StandardWebhooks, &[SECRET]);
    let good = signed(SECRET, "msg_1", 100, b"{}");
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut missing = good.clone();
        missing.0.remove(name);
        assert_eq!(verifier.verify(&missing, b"{}", at(100)), Err(SignatureError::Missing));
        let doubled = good.clone().with(name, "x");
        assert_eq!(verifier.verify(&doubled, b"{}", at(100)), Err(SignatureError::Twice));
        let mut odd = good.clone();
        odd.0.insert(name.to_owned(), vec![vec![0xff, 0xe9]]);
        assert_eq!(verifier.verify(&odd, b"{}", at(100)), Err(SignatureError::Unreadable));
    }
    for odd in ["", "-5", "1e3", "99999999999999999999", "100 "] {
        let mut sent = good.clone();
        sent.0.insert("webhook-timestamp".to_owned(), vec![odd.into()]);
        assert_eq!(verifier.verify(&sent, b"{}", at(100)), Err(SignatureError::Unreadable), "{odd}");
    }
}

#[test]
fn a_hub_signature_is_hex_in_any_case_or_base64_with_or_without_its_prefix() {
    let secret = Secret::new("s3cret");
    let value = sign_hub_256(&secret, b"body").unwrap();
    let hex = value.strip_prefix("sha256=").unwrap();
    let bytes: Vec<u8> =
        (0..32).map(|index| u8::from_str_radix(&hex[index * 2..index * 2 + 2], 16).unwrap()).collect();
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let verifier = verifier(Scheme::HubSignature256, &["s3cret"]);
    let forms =
        [value.clone(), hex.to_owned(), hex.to_uppercase(), base64.clone(), format!("sha256={base64}")];
    for form in forms {
        let sent = Sent::default().with("x-hub-signature-256", &form);
        assert!(verifier.verify(&sent, b"body", at(0)).is_ok(), "{form}");
        assert_eq!(verifier.verify(&sent, b"Body", at(0)), Err(SignatureError::Mismatch));
    }
    for wrong in ["", "sha256=", "sha1=757107ea0eb2509fc211221cce984b8a37570b6d", &hex[1..], &"é".repeat(32)]
    {
        let sent = Sent::default().with("x-hub-signature-256", wrong);
        assert_eq!(verifier.verify(&sent, b"body", at(0)), Err(SignatureError::Unreadable), "{wrong}");
    }
}

#[test]
fn the_header_with_sha_1_beside_the_right_one_is_passed_over() {
    let value = sign_hub_256(&Secret::new("s3cret"), b"body").unwrap();
    let sent = Sent::default().with("x-hub-signature-256", value).with("x-hub-signature", "sha1=00");
    assert!(verifier(Scheme::HubSignature256, &["s3cret"]).verify(&sent, b"body", at(0)).is_ok());
}

#[test]
fn a_configured_header_replaces_the_usual_ones() {
    let secrets = [Secret::new("s3cret")];
    let verifier =
        Verifier::new(Scheme::HubSignature256, &secrets, Some("X-Snow-Signature"), 0).ok().unwrap();
    let value = sign_hub_256(&secrets[0], b"body").unwrap();
    assert!(verifier.verify(&Sent::default().with("x-snow-signature", &value), b"body", at(0)).is_ok());
    let usual = Sent::default().with("x-hub-signature-256", &value);
    assert_eq!(verifier.verify(&usual, b"body", at(0)), Err(SignatureError::Missing));
}

#[test]
fn tokens_and_passwords_pass_only_whole() {
    let bearer = verifier(Scheme::Bearer, &["old-token", "new-token"]);
    for (value, fits) in [
        ("Bearer new-token", true),
        ("bearer old-token", true),
        ("Bearer new-toke", false),
        ("Bearer new-token2", false),
        ("Bearer ", false),
        ("Basic new-token", false),
        ("Bearer n\u{e9}w-token", false),
    ] {
        let sent = Sent::default().with("authorization", value);
        assert_eq!(bearer.verify(&sent, b"", at(0)).is_ok(), fits, "{value}");
    }
    let basic = verifier(Scheme::Basic, &["hookuser:hookpw"]);
    for (value, fits) in
        [("Basic aG9va3VzZXI6aG9va3B3", true), ("Basic aG9va3VzZXI6", false), ("Basic %%%", false)]
    {
        let sent = Sent::default().with("authorization", value);
        assert_eq!(basic.verify(&sent, b"", at(0)).is_ok(), fits, "{value}");
    }
}

#[test]
fn secrets_that_a_scheme_cannot_use_are_refused_with_their_place() {
    let cases = [
        (Scheme::StandardWebhooks, "whsec_%%%", KeyError::NotBase64),
        (Scheme::StandardWebhooks, "whsec_AAAA", KeyError::Length),
        (Scheme::HubSignature256, "", KeyError::Empty),
        (Scheme::Bearer, "", KeyError::Empty),
        (Scheme::Basic, "nobody", KeyError::NotUserAndPassword),
    ];
    for (scheme, secret, why) in cases {
        let found = Verifier::new(scheme, &[Secret::new(secret)], None, 300).err();
        assert_eq!(found, Some((0, why)), "{scheme:?}");
    }
}
