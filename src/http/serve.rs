//! Starting and stopping the server.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use tokio::task::JoinHandle;

use super::guard::guard;
use super::routes::configure;
use super::state::AppState;

/// A server that is running.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
    state: Arc<AppState>,
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new connections, lets open requests end (at most `drain_secs`), and returns.
    ///
    /// # Errors
    /// What the server ended with.
    pub async fn stop(self) -> io::Result<()> {
        self.state.begin_to_drain();
        self.handle.stop(true).await;
        self.task.await.map_err(io::Error::other)?
    }
}

/// Serves on `listener` with `workers` threads until [`Server::stop`].
///
/// # Errors
/// When the listener cannot be used.
pub fn start(listener: TcpListener, state: Arc<AppState>, workers: usize) -> io::Result<Server> {
    crate::intake::schema::prepare();
    let address = listener.local_addr()?;
    let limits = state.limits.clone();
    let data = Data::from(Arc::clone(&state));
    let workers = workers.max(1);
    let app = move || App::new().app_data(data.clone()).wrap(from_fn(guard)).configure(configure);
    let server = HttpServer::new(app)
        .workers(workers)
        .max_connections(limits.connections_max.div_ceil(workers))
        .keep_alive(Duration::from_secs(limits.keep_alive_secs))
        .client_request_timeout(Duration::from_secs(limits.body_read_secs))
        .shutdown_timeout(limits.drain_secs)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    Ok(Server { address, handle, task: tokio::spawn(server), state })
}

/// Serves until `stop` resolves, then drains.
///
/// # Errors
/// When the listener cannot be used, and what the server ended with.
pub async fn serve(
    listener: TcpListener,
    state: Arc<AppState>,
    workers: usize,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let server = start(listener, state, workers)?;
    stop.await;
    server.stop().await
}
