//! The servers that the intake benchmark compares, each as a process of its own: the benchmark's program again, told to
//! serve. It says its address on standard output and ends when its standard input does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::{Context, ensure};
use causeway::bridge;
use causeway::clock::{Clock, SharedClock, SystemClock};
use causeway::config::{self, Config};
use causeway::demo::LabOnly;
use causeway::http::access::Access;
use causeway::http::{self, AppState};
use causeway::intake::draft::Draft;
use causeway::intake::signature::{Header, Headers};
use causeway::journal::{Admission, AdmissionKeys, Admitted, Journal, JournalOptions, journal_time};
use causeway::vm_request::{Event, RequestId};

/// Threads that serve HTTP: one a core of the machine that the figures are for.
const WORKERS: usize = 2;
/// Admissions under way at once while a journal is filled.
const LOADERS: u64 = 512;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The bridge's own server: group commit.
    Journal,
    /// The same with one transaction for each request.
    Single,
    /// The same work of signature, schema and catalog through the same code, and no journal.
    None,
}

/// A server that runs.
pub struct ServerProcess {
    child: Child,
    pub address: String,
}

impl ServerProcess {
    /// Starts this program again as a server with its journal at `path`.
    pub fn start(kind: Kind, path: &Path) -> anyhow::Result<Self> {
        let name = match kind {
            Kind::Journal => "journal",
            Kind::Single => "single",
            Kind::None => "none",
        };
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", name, "--path"])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = child.stdout.take().context("a piped output")?;
        let mut address = String::new();
        BufReader::new(said).read_line(&mut address)?;
        ensure!(!address.is_empty(), "the server did not start");
        Ok(Self { child, address: address.trim().to_owned() })
    }

    /// `VmRSS` or `VmHWM` of the process, in MiB; 0 where the system does not tell.
    pub fn memory_mib(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or_default() / 1_024
    }

    /// Stops it properly.
    pub fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let ended = self.child.wait()?;
        ensure!(ended.success(), "the server ended with {ended}");
        Ok(())
    }
}

/// Serves until standard input ends.
pub fn serve(kind: Kind, path: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let clock: SharedClock = Arc::new(SystemClock);
        let config = config(path)?;
        let access = bridge::access(&config)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        if kind == Kind::None {
            let server = start_without_journal(listener, access, clock)?;
            tell(&address.to_string())?;
            until_input_ends().await?;
            server.stop(true).await;
            return Ok(());
        }
        let mut options = JournalOptions::at(path);
        if kind == Kind::Single {
            // A transaction takes no further item once it has a byte.
            options.batch_bytes_max = 1;
        }
        let journal = Journal::open(options, clock.clone())?;
        let state =
            AppState::new(journal.clone(), access, clock, Arc::new(|_| {}), config.http.limits.clone());
        let server = http::start(listener, Arc::new(state), WORKERS)?;
        tell(&address.to_string())?;
        until_input_ends().await?;
        server.stop().await?;
        journal.close().await;
        Ok(())
    })
}

/// Fills the journal at `path` with requests, many at a time, the way they come in.
pub fn load(path: &Path, requests: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let config = Arc::new(config(path)?);
        let journal = Journal::open(JournalOptions::at(path), Arc::new(SystemClock))?;
        let mut loaders = tokio::task::JoinSet::new();
        for loader in 0..LOADERS {
            let (journal, config) = (journal.clone(), Arc::clone(&config));
            loaders.spawn(async move {
                let mut n = loader;
                while n < requests {
                    let admitted = journal.admit(admission(&config, n)?).await?;
                    ensure!(matches!(admitted, Admitted::New { .. }), "{admitted:?}");
                    n += LOADERS;
                }
                anyhow::Ok(())
            });
        }
        while let Some(loaded) = loaders.join_next().await {
            loaded??;
        }
        journal.close().await;
        Ok(())
    })
}

fn admission(config: &Config, n: u64) -> anyhow::Result<Admission> {
    let source = config.sources.first().context("the configuration has a source")?;
    let draft = Draft::of_source(super::client::ticket('l', n).as_bytes(), source);
    let at = journal_time(SystemClock.now());
    let id = RequestId::from_parts(at, rand::random::<u128>() >> 48);
    let keys = AdmissionKeys {
        delivery: Some((source.name.clone(), format!("msg_l{n}"))),
        request_key: draft.request_key(),
        ..AdmissionKeys::default()
    };
    let event = draft.into_event(&config.catalog, &id, None);
    Ok(Admission { id, at, events: vec![event], keys })
}

/// The demo's configuration, with a source that may send as fast as it can.
fn config(path: &Path) -> anyhow::Result<Config> {
    let value = |name: &str| {
        Some(match name {
            "DEMO_LISTEN" => "127.0.0.1:0".to_owned(),
            "DEMO_JOURNAL" => path.display().to_string(),
            "DEMO_API_TOKEN" => LabOnly::API_TOKEN.to_owned(),
            "DEMO_WEBHOOK_SECRET" => LabOnly::WEBHOOK_SECRET.to_owned(),
            _ => "http://127.0.0.1:9/never-called".to_owned(),
        })
    };
    let loaded = config::parse(LabOnly::CONFIG, Path::new("."), &value);
    let mut config = loaded.map_err(|found| anyhow::anyhow!("{found:?}"))?.config;
    for source in &mut config.sources {
        source.rate_per_sec = 1_000_000;
        source.rate_burst = 1_000_000;
    }
    Ok(config)
}

fn tell(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

async fn until_input_ends() -> anyhow::Result<()> {
    let read = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(read).await??;
    Ok(())
}

struct Without {
    access: Access,
    clock: SharedClock,
}

fn start_without_journal(
    listener: TcpListener,
    access: Access,
    clock: SharedClock,
) -> anyhow::Result<actix_web::dev::ServerHandle> {
    causeway::intake::schema::prepare();
    let shared = Data::new(Without { access, clock });
    let app =
        move || App::new().app_data(shared.clone()).route("/hooks/{source}", web::post().to(answer_only));
    let server = HttpServer::new(app).workers(WORKERS).disable_signals().listen(listener)?.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}

struct Sent<'a>(&'a HeaderMap);

impl Headers for Sent<'_> {
    fn header(&self, name: &str) -> Header<'_> {
        self.0.get(name).map_or(Header::Missing, |value| Header::One(value.as_bytes()))
    }
}

/// What the bridge's handler does, up to the journal.
async fn answer_only(request: HttpRequest, name: web::Path<String>, body: Bytes) -> HttpResponse {
    let Some(shared) = request.app_data::<Data<Without>>() else {
        return HttpResponse::InternalServerError().finish();
    };
    let Some(source) = shared.access.sources.get(&name) else { return HttpResponse::Unauthorized().finish() };
    let now = shared.clock.now();
    let verified = source.verifier.verify(&Sent(request.headers()), &body, now);
    if verified.is_err() || source.bucket.take(now).is_err() {
        return HttpResponse::Unauthorized().finish();
    }
    let draft = Draft::of_source(&body, &source.config);
    let _key = draft.request_key();
    let id = RequestId::from_parts(now, rand::random::<u128>() >> 48);
    match draft.into_event(&shared.access.catalog, &id, None) {
        Event::Received(_) => {
            let href = http::routes::request_href(&id);
            let body = format!(r#"{{"id":"{id}","phase":"received","href":"{href}"}}"#);
            HttpResponse::Accepted()
                .insert_header(("location", href))
                .content_type("application/json")
                .body(body)
        }
        _ => HttpResponse::UnprocessableEntity().finish(),
    }
}
