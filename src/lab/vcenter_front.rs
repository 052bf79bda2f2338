//! The lab's vCenter behind real HTTP, in the world that the controller plays in too.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::{App, HttpServer};
use tokio::task::JoinHandle;

use super::vcenter::{Away, FaultSwitches, VcenterState, VsphereHandle, configure};
use super::world::World;
use crate::clock::SharedClock;
use crate::config::Secret;

/// The one user, and the password: public and worthless outside the lab.
const USER: &str = "lab";
const PASSWORD: &str = "lab-password";
/// How often the world is asked whether vCenter is away.
const AWAY_CHECK_MS: u64 = 10;

/// A running vCenter.
#[derive(Debug)]
pub struct VcenterFront {
    /// `http://127.0.0.1:PORT/sdk`.
    pub url: String,
    pub state: VcenterState,
    server: actix_web::dev::ServerHandle,
    tasks: Vec<JoinHandle<()>>,
}

impl VcenterFront {
    /// Serves the vSphere of `world` on a free port.
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn start(world: Arc<Mutex<World>>, clock: SharedClock) -> std::io::Result<Self> {
        let handle = VsphereHandle::inside(Arc::clone(&world), |world| &mut world.vsphere);
        let state = VcenterState::new(handle, Arc::clone(&clock)).with_user(USER, Secret::new(PASSWORD));
        let served = state.clone();
        let app = move || App::new().configure(configure(served.clone()));
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1);
        let server = server.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let port = server.addrs().first().map_or(0, SocketAddr::port);
        let server = server.run();
        let handle = server.handle();
        let run = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the lab's vCenter stopped");
            }
        });
        let away = tokio::spawn(follow_away(world, clock, state.clone()));
        let url = format!("http://127.0.0.1:{port}/sdk");
        Ok(Self { url, state, server: handle, tasks: vec![run, away] })
    }

    /// The user's password.
    #[must_use]
    pub const fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Stops it; open connections are closed.
    pub async fn stop(self) {
        self.server.stop(false).await;
        for task in self.tasks {
            task.abort();
        }
    }
}

/// Lets vCenter be silent while the world says so.
async fn follow_away(world: Arc<Mutex<World>>, clock: SharedClock, state: VcenterState) {
    let mut beat = tokio::time::interval(Duration::from_millis(AWAY_CHECK_MS));
    let mut was_away = false;
    loop {
        beat.tick().await;
        let is_away = world.lock().unwrap_or_else(PoisonError::into_inner).vcenter_is_away(clock.now());
        if is_away != was_away {
            let away = if is_away { Away::Unavailable } else { Away::No };
            state.set_faults(FaultSwitches { away, ..state.faults() });
            was_away = is_away;
        }
    }
}
