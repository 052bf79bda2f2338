//! One session with a vCenter, shared by all callers: logged in when first needed, by one caller at a
//! time, given up when vCenter no longer accepts it.
//!
//! A read is begun again at most once because of a lost session, and at most `read_attempts_max` times
//! because of a transient failure. A wrong password is remembered for [`LOGIN_PAUSE_SECS`]: within
//! that time nothing is sent, so that no loop above can lock the account.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::sync::Mutex;

use super::About;
use super::errors::VcenterError;
use super::row::UidPath;
use super::soap::{MoRef, Reply, Transport};
use super::xml::{Element, escaped};
use crate::clock::SharedClock;
use crate::config::Secret;

/// How long a refused login is not repeated. vCenter's own policy locks an account after 5 wrong
/// passwords within 180 s by default, so one in 900 s stays far below it.
pub(super) const LOGIN_PAUSE_SECS: i64 = 900;

const BACKOFF_FIRST_MS: u64 = 200;
const BACKOFF_MAX_MS: u64 = 5_000;

/// What all callers of one vCenter share.
#[derive(Debug)]
pub(super) struct Shared {
    pub transport: Transport,
    pub username: String,
    pub password: Secret,
    pub clock: SharedClock,
    pub read_attempts_max: u32,
    pub page_objects_max: u32,
    pub state: Mutex<State>,
}

/// Where the session stands.
#[derive(Debug)]
pub(super) enum State {
    LoggedOut,
    LoggedIn(Arc<Live>),
    Refused { next_try_at: Timestamp },
}

/// A session that vCenter gave.
#[derive(Debug)]
pub(super) struct Live {
    cookie: String,
    pub service: Service,
    /// How this vCenter reads the identity; found out by the session's first sweep.
    uid_path: std::sync::Mutex<UidPath>,
}

/// The singletons out of `RetrieveServiceContent`.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub about: About,
    pub root_folder: MoRef,
    pub property_collector: MoRef,
    pub view_manager: MoRef,
    session_manager: MoRef,
    pub task_manager: Option<MoRef>,
    pub event_manager: Option<MoRef>,
    pub custom_fields_manager: Option<MoRef>,
}

/// One session in the hands of one read.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub shared: Arc<Shared>,
    pub live: Arc<Live>,
}

impl Channel {
    /// One call within the session.
    pub async fn call(
        &self,
        method: &'static str,
        this: &MoRef,
        arguments: &str,
    ) -> Result<Reply, VcenterError> {
        self.shared.transport.call(method, this, arguments, Some(&self.live.cookie)).await
    }

    pub fn vcenter(&self) -> &str {
        &self.shared.transport.vcenter
    }

    /// What this session knows about reading `vm_uid`.
    pub fn uid_path(&self) -> UidPath {
        *self.live.uid_path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_uid_path(&self, path: UidPath) {
        tracing::debug!(vcenter = %self.vcenter(), ?path, "how vm_uid is read");
        *self.live.uid_path.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }

    /// What a 200 with `NotAuthenticated` inside means (vcenter.md A6).
    pub fn not_authenticated(&self) -> VcenterError {
        VcenterError::NotAuthenticated { vcenter: self.vcenter().to_owned() }
    }
}

/// `RetrieveServiceContent`: needs no login. The cookies belong to the session that is about to be.
pub(super) async fn service_content(transport: &Transport) -> Result<(Service, Vec<String>), VcenterError> {
    let this = MoRef::new("ServiceInstance", "ServiceInstance");
    let reply = transport.call("RetrieveServiceContent", &this, "", None).await?;
    let service = reply.open(|answer| {
        answer
            .child("returnval")
            .and_then(read_service)
            .ok_or_else(|| reply.not_understood("a service content without its managers".to_owned()))
    })?;
    Ok((service, reply.cookies))
}

fn read_service(content: &Element<'_>) -> Option<Service> {
    let reference = |name: &str| content.child(name).and_then(MoRef::read);
    let about = content.child("about")?;
    let text = |name: &str| about.text_of(name).unwrap_or_default().to_owned();
    Some(Service {
        about: About {
            name: text("name"),
            full_name: text("fullName"),
            version: text("version"),
            build: text("build"),
            api_type: text("apiType"),
            api_version: text("apiVersion"),
            instance_uuid: about.text_of("instanceUuid").map(str::to_owned),
        },
        root_folder: reference("rootFolder")?,
        property_collector: reference("propertyCollector")?,
        view_manager: reference("viewManager")?,
        session_manager: reference("sessionManager")?,
        task_manager: reference("taskManager"),
        event_manager: reference("eventManager"),
        custom_fields_manager: reference("customFieldsManager"),
    })
}

impl Shared {
    /// Runs `read` within a session: logs in when needed, once more when the session turns out to be
    /// lost, and again after a pause when the failure is transient. `read` must be repeatable.
    pub async fn read<T, F>(self: &Arc<Self>, read: impl Fn(Channel) -> F) -> Result<T, VcenterError>
    where
        F: Future<Output = Result<T, VcenterError>>,
    {
        let mut attempt = 1;
        let mut logged_in_anew = false;
        loop {
            let error = match self.session().await {
                Ok(live) => match read(Channel { shared: Arc::clone(self), live: Arc::clone(&live) }).await {
                    Ok(answer) => return Ok(answer),
                    Err(error @ VcenterError::NotAuthenticated { .. }) => {
                        self.forget(&live).await;
                        if logged_in_anew {
                            return Err(error);
                        }
                        tracing::info!(vcenter = %self.transport.vcenter, "session lost, logging in again");
                        logged_in_anew = true;
                        continue;
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            self.pause(attempt, error).await?;
            attempt += 1;
        }
    }

    /// `RetrieveServiceContent` with the same patience as a read.
    pub async fn about(&self) -> Result<About, VcenterError> {
        let mut attempt = 1;
        loop {
            match service_content(&self.transport).await {
                Ok((service, _)) => return Ok(service.about),
                Err(error) => self.pause(attempt, error).await?,
            }
            attempt += 1;
        }
    }

    /// Waits before attempt number `attempt + 1`, or gives `error` back when there is no point in it.
    async fn pause(&self, attempt: u32, error: VcenterError) -> Result<(), VcenterError> {
        if !error.is_transient() || attempt >= self.read_attempts_max {
            return Err(error);
        }
        tracing::warn!(vcenter = %self.transport.vcenter, attempt, %error, "reading vCenter again");
        self.transport.counters.retries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(backoff(attempt)).await;
        Ok(())
    }

    /// The live session, or a new one. Whoever comes while a login is under way waits for it.
    async fn session(&self) -> Result<Arc<Live>, VcenterError> {
        let mut state = self.state.lock().await;
        match &*state {
            State::LoggedIn(live) => return Ok(Arc::clone(live)),
            State::Refused { next_try_at } if self.clock.now() < *next_try_at => {
                return Err(self.refused(*next_try_at));
            }
            State::Refused { .. } | State::LoggedOut => {}
        }
        match self.login().await {
            Ok(live) => {
                let live = Arc::new(live);
                *state = State::LoggedIn(Arc::clone(&live));
                Ok(live)
            }
            Err(error) if error.is_fault("InvalidLogin") => {
                let next_try_at = self
                    .clock
                    .now()
                    .checked_add(SignedDuration::from_secs(LOGIN_PAUSE_SECS))
                    .unwrap_or(Timestamp::MAX);
                *state = State::Refused { next_try_at };
                Err(self.refused(next_try_at))
            }
            Err(error) => Err(error),
        }
    }

    /// The session as it is, without a login.
    pub async fn open_session(&self) -> Option<Arc<Live>> {
        match &*self.state.lock().await {
            State::LoggedIn(live) => Some(Arc::clone(live)),
            State::LoggedOut | State::Refused { .. } => None,
        }
    }

    async fn login(&self) -> Result<Live, VcenterError> {
        let (service, cookies) = service_content(&self.transport).await?;
        let arguments = format!(
            "<userName>{}</userName><password>{}</password>",
            escaped(&self.username),
            escaped(self.password.expose())
        );
        let before = Some(joined(&cookies)).filter(|c| !c.is_empty());
        let reply =
            self.transport.call("Login", &service.session_manager, &arguments, before.as_deref()).await?;
        reply.open(|_| Ok(())).map_err(without_message)?;
        let cookie = joined(&merged(cookies, &reply.cookies));
        if cookie.is_empty() {
            return Err(reply.not_understood("a login without a session cookie".to_owned()));
        }
        self.transport.counters.logins.fetch_add(1, Ordering::Relaxed);
        tracing::info!(vcenter = %self.transport.vcenter, "logged in");
        Ok(Live { cookie, service, uid_path: std::sync::Mutex::new(UidPath::Unknown) })
    }

    /// Ends the session if there is one. A failure to say goodbye is only logged: an idle session
    /// ends by itself after 30 minutes.
    pub async fn logout(&self) {
        let before = std::mem::replace(&mut *self.state.lock().await, State::LoggedOut);
        let live = match before {
            State::LoggedIn(live) => live,
            refused @ State::Refused { .. } => {
                // Logging out must not be a way around the pause.
                *self.state.lock().await = refused;
                return;
            }
            State::LoggedOut => return,
        };
        let said = self
            .transport
            .call("Logout", &live.service.session_manager, "", Some(&live.cookie))
            .await
            .and_then(|reply| reply.open(|_| Ok(())));
        if let Err(error) = said {
            tracing::debug!(vcenter = %self.transport.vcenter, %error, "logout was not answered");
        }
    }

    /// Drops `lost` unless somebody else has already replaced it.
    async fn forget(&self, lost: &Arc<Live>) {
        let mut state = self.state.lock().await;
        if matches!(&*state, State::LoggedIn(live) if Arc::ptr_eq(live, lost)) {
            *state = State::LoggedOut;
        }
    }

    fn refused(&self, next_try_at: Timestamp) -> VcenterError {
        VcenterError::LoginRefused {
            vcenter: self.transport.vcenter.clone(),
            username: self.username.clone(),
            next_try_at,
        }
    }
}

/// A fault that answers a login may repeat what was sent.
fn without_message(error: VcenterError) -> VcenterError {
    if let VcenterError::Fault { vcenter, method, kind, .. } = error {
        let message = "the login was not accepted".to_owned();
        return VcenterError::Fault { vcenter, method, kind, message };
    }
    error
}

/// The cookies of two answers, the later ones winning by name.
fn merged(earlier: Vec<String>, later: &[String]) -> Vec<String> {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let mut all: Vec<String> =
        earlier.into_iter().filter(|e| later.iter().all(|l| name(l) != name(e))).collect();
    all.extend(later.iter().cloned());
    all
}

fn joined(cookies: &[String]) -> String {
    cookies.join("; ")
}

/// Doubles from [`BACKOFF_FIRST_MS`] up to [`BACKOFF_MAX_MS`], of which a random half is jitter.
fn backoff(attempt: u32) -> Duration {
    let full = BACKOFF_FIRST_MS.saturating_mul(1 << attempt.min(10)).min(BACKOFF_MAX_MS);
    // Without randomness from the system there is no jitter, which costs nothing but politeness.
    let random = SysRng.try_next_u32().map_or(0, u64::from);
    Duration::from_millis(full / 2 + random % (full / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_and_stays_within_its_bounds() {
        for attempt in 1..40 {
            let ms = u64::try_from(backoff(attempt).as_millis()).unwrap_or(u64::MAX);
            assert!((BACKOFF_FIRST_MS..=BACKOFF_MAX_MS).contains(&ms), "{attempt}: {ms}");
        }
        assert!(backoff(10).as_millis() >= 2_500);
    }

    #[test]
    fn the_cookie_of_the_login_replaces_the_one_before_it() {
        let all = merged(vec!["a=1".into(), "b=2".into()], &["a=3".to_owned()]);
        assert_eq!(joined(&all), "b=2; a=3");
    }
}
