//! A vCenter of canned answers behind real HTTP, for this module's own tests.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the stub answers.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// Status and body.
    Body(u16, String),
    /// Status, body and a `Set-Cookie`.
    Cookie(u16, String, String),
    /// Nothing until the client goes away.
    Silence,
    /// The connection closes without an answer.
    Hangup,
}

/// Given the method and the whole request; called in the order of arrival.
pub(super) type Script = dyn FnMut(&str, &str) -> Answer + Send;

/// A listening stub; it stops with the test's runtime.
pub(super) struct Stub {
    pub url: String,
    /// The methods asked for, in order.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    pub async fn start(script: impl FnMut(&str, &str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { url, asked }
    }

    pub fn count(&self, method: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|m| *m == method).count()
    }
}

async fn serve(mut socket: TcpStream, script: Arc<Mutex<Box<Script>>>, log: Arc<Mutex<Vec<String>>>) {
    let request = read_request(&mut socket).await;
    let method = method_of(&request);
    log.lock().unwrap().push(method.clone());
    let answer = (script.lock().unwrap())(&method, &request);
    let (status, body, cookie) = match answer {
        Answer::Body(status, body) => (status, body, String::new()),
        Answer::Cookie(status, body, cookie) => (status, body, format!("Set-Cookie: {cookie}\r\n")),
        Answer::Hangup => return,
        Answer::Silence => {
            let _ = socket.read(&mut [0; 1]).await;
            return;
        }
    };
    let head =
        format!("HTTP/1.1 {status} X\r\n{cookie}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // The client may have seen enough and gone away.
    let _ = socket.write_all((head + &body).as_bytes()).await;
}

async fn read_request(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            if body.len() >= length.map_or(0, |l| l.parse::<usize>().unwrap()) {
                return text;
            }
        }
        if socket.read_buf(&mut bytes).await.unwrap() == 0 {
            return text;
        }
    }
}

fn method_of(request: &str) -> String {
    let inside = request.split_once("Body><").map_or("", |(_, rest)| rest);
    inside.split([' ', '>']).next().unwrap_or_default().to_owned()
}

/// An envelope around the answer of `method`.
pub(super) fn answer(method: &str, inside: &str) -> Answer {
    let body = format!(
        "<e:Envelope xmlns:e=\"x\"><e:Body><{method}Response xmlns=\"urn:vim25\">{inside}</{method}Response></e:Body></e:Envelope>"
    );
    Answer::Body(200, body)
}

/// A SOAP fault of this type.
pub(super) fn fault(kind: &str) -> Answer {
    let body = format!(
        "<e:Envelope xmlns:e=\"x\"><e:Body><e:Fault><faultcode>c</faultcode><faultstring>said {kind}</faultstring>\
         <detail><{kind}Fault/></detail></e:Fault></e:Body></e:Envelope>"
    );
    Answer::Body(500, body)
}

/// What a vCenter without anything in it answers.
pub(super) fn empty_vcenter(method: &str) -> Answer {
    match method {
        "RetrieveServiceContent" => recorded("vcsim-soap/01-RetrieveServiceContent.txt"),
        "Login" => recorded("vcsim-soap/04-Login.txt"),
        "CreateContainerView" => recorded("vcsim-soap/05-CreateContainerView.txt"),
        _ => answer(method, ""),
    }
}

/// The answer of a recorded exchange.
pub(super) fn recorded(file: &str) -> Answer {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/vcenter/recordings").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, given) = text.split_once("\n=== ").unwrap();
    let (head, body) = given.split_once("\n\n").unwrap();
    let status = head.split(' ').next().unwrap().parse().unwrap();
    let cookie = head.lines().find_map(|line| line.strip_prefix("Set-Cookie: "));
    match cookie {
        Some(cookie) => Answer::Cookie(status, body.to_owned(), cookie.to_owned()),
        None => Answer::Body(status, body.to_owned()),
    }
}
