//! A controller that will not take launches is sent one at a time, a while apart, until it takes one. Readings go on.

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
    /// Whether a launch may go out now; else until when launches wait, and why. When the wait is over one launch goes
    /// ahead and the others wait for what comes of it.
    pub fn admit(&self, now: Timestamp) -> Result<(), (Timestamp, String)> {
        let mut held = self.held();
        match held.as_mut() {
            None => Ok(()),
            Some((until, why)) if *until > now => Err((*until, why.clone())),
            Some((until, _)) => {
                *until = self.until(now);
                Ok(())
            }
        }
    }

    /// Sets how long it stays open: `policy.put_off_first_secs`, so that no request finds it open when its own first
    /// wait is over.
    pub fn set_open_secs(&self, secs: u64) {
        self.open_secs.store(secs, Ordering::Relaxed);
    }

    /// Keeps launches back from `now` on.
    pub fn open(&self, now: Timestamp, why: &str) {
        let until = self.until(now);
        let mut held = self.held();
        if held.is_none() {
            tracing::error!(why, until = %until, "controller takes no launches: somebody has to look");
        }
        *held = Some((until, why.to_owned()));
    }

    /// Lets launches through again.
    pub fn close(&self) {
        *self.held() = None;
    }

    fn until(&self, now: Timestamp) -> Timestamp {
        let secs = i64::try_from(self.open_secs.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        now.checked_add(SignedDuration::from_secs(secs)).unwrap_or(now)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, String)>> {
        self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_lets_one_at_a_time_through_until_a_launch_was_taken() {
        let at = |secs: i64| Timestamp::from_second(1_000 + secs).unwrap();
        let breaker = Breaker::default();
        breaker.set_open_secs(30);
        assert_eq!(breaker.admit(at(0)), Ok(()));
        breaker.open(at(0), "401");
        assert_eq!(breaker.admit(at(29)), Err((at(30), "401".to_owned())));
        assert_eq!(breaker.admit(at(30)), Ok(()), "one goes ahead");
        assert_eq!(breaker.admit(at(30)), Err((at(60), "401".to_owned())), "the others wait for it");
        breaker.open(at(31), "403");
        assert_eq!(breaker.admit(at(60)), Err((at(61), "403".to_owned())));
        breaker.close();
        assert_eq!(breaker.admit(at(60)), Ok(()));
        assert_eq!(breaker.admit(at(60)), Ok(()));
    }
}
