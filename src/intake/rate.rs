//! A token bucket without a lock: one number, the instant at which the bucket would be full again (GCRA).

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Lets `rate_per_sec` through on the long run, and `burst` at once.
#[derive(Debug)]
pub struct TokenBucket {
    step_micros: i64,
    burst_micros: i64,
    full_at_micros: AtomicI64,
}

impl TokenBucket {
    /// A full bucket. Zero counts as one.
    #[must_use]
    pub fn new(rate_per_sec: u32, burst: u32) -> Self {
        let step_micros = (1_000_000 / i64::from(rate_per_sec.max(1))).max(1);
        let burst_micros = step_micros.saturating_mul(i64::from(burst.max(1)));
        Self { step_micros, burst_micros, full_at_micros: AtomicI64::new(i64::MIN) }
    }

    /// Takes one token at `now`.
    ///
    /// # Errors
    /// The seconds, at least 1, after which one is there.
    pub fn take(&self, now: Timestamp) -> Result<(), u64> {
        let now = now.as_microsecond();
        let mut full_at = self.full_at_micros.load(Ordering::Relaxed);
        loop {
            let next = full_at.max(now).saturating_add(self.step_micros);
            let ahead = next.saturating_sub(now).saturating_sub(self.burst_micros);
            if ahead > 0 {
                return Err(u64::try_from(ahead).unwrap_or(1).div_ceil(1_000_000));
            }
            let swapped = self.full_at_micros.compare_exchange_weak(
                full_at,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swapped {
                Ok(_) => return Ok(()),
                Err(other) => full_at = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_burst_passes_then_one_in_each_step() {
        let bucket = TokenBucket::new(10, 3);
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        for _ in 0..3 {
            assert_eq!(bucket.take(at(0)), Ok(()));
        }
        assert_eq!(bucket.take(at(0)), Err(1));
        assert_eq!(bucket.take(at(99)), Err(1));
        assert_eq!(bucket.take(at(100)), Ok(()));
        assert_eq!(bucket.take(at(100)), Err(1));
        for _ in 0..3 {
            assert_eq!(bucket.take(at(10_000)), Ok(()), "it fills up again, and no further than the burst");
        }
        assert_eq!(bucket.take(at(10_000)), Err(1));
    }
}
