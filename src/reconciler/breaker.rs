//! A controller that will not take launches is not sent any for a while. Readings go on: they tell when it is well.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Keeps launches back while open.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    held: Mutex<Option<(Timestamp, String)>>,
    /// How long launches are kept back after the controller would not take one.
    open_secs: AtomicU64,
}

impl Breaker {
    /// Until when launches wait and why, if they do.
    pub fn open_until(&self, now: Timestamp) -> Option<(Timestamp, String)> {
        self.held().as_ref().filter(|(until, _)| *until > now).cloned()
    }

    /// Sets how long it stays open: `policy.put_off_first_secs`, so that no request finds it open when its own first
    /// wait is over.
    pub fn set_open_secs(&self, secs: u64) {
        self.open_secs.store(secs, Ordering::Relaxed);
    }

    /// Keeps launches back from `now` on.
    pub fn open(&self, now: Timestamp, why: &str) {
        let secs = i64::try_from(self.open_secs.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        let until = now.checked_add(SignedDuration::from_secs(secs)).unwrap_or(now);
        let mut held = self.held();
        if held.as_ref().is_none_or(|(open_until, _)| *open_until <= now) {
            tracing::error!(why, until = %until, "controller takes no launches: somebody has to look");
        }
        *held = Some((until, why.to_owned()));
    }

    /// Lets launches through again.
    pub fn close(&self) {
        *self.held() = None;
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, String)>> {
        self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_opens_for_a_while_and_closes_at_the_first_success() {
        let at = |secs: i64| Timestamp::from_second(1_000 + secs).unwrap();
        let breaker = Breaker::default();
        breaker.set_open_secs(30);
        assert_eq!(breaker.open_until(at(0)), None);
        breaker.open(at(0), "401");
        assert_eq!(breaker.open_until(at(29)), Some((at(30), "401".to_owned())));
        assert_eq!(breaker.open_until(at(30)), None);
        breaker.open(at(31), "401");
        breaker.close();
        assert_eq!(breaker.open_until(at(32)), None);
    }
}
