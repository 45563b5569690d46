//! Waits between attempts to connect.

use std::time::Duration;

use rand_core::Rng;
use rand_pcg::Pcg64;

/// Exponential back-off with full jitter: each wait is drawn from nothing up to a bound that doubles.
///
/// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    limit: Duration,
    attempt: u32,
    rng: Pcg64,
}

impl Backoff {
    pub(crate) fn new(first: Duration, limit: Duration, rng: Pcg64) -> Self {
        Backoff { first, limit, attempt: 0, rng }
    }

    /// An attempt succeeded.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }

    /// How long to wait before the next attempt.
    pub(crate) fn next(&mut self) -> Duration {
        let bound = 1u32.checked_shl(self.attempt).and_then(|times| self.first.checked_mul(times));
        let bound = bound.map_or(self.limit, |bound| bound.min(self.limit));
        self.attempt = self.attempt.saturating_add(1);
        // 53 bits make a number from 0 to before 1.
        bound.mul_f64((self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_spread_below_a_bound_that_doubles_up_to_a_limit() {
        let (first, limit) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut longest = [Duration::ZERO; 8];
        let mut shortest = [limit; 8];
        for seed in 0..400 {
            let mut backoff = Backoff::new(first, limit, Pcg64::new(seed, 1));
            for (longest, shortest) in longest.iter_mut().zip(&mut shortest) {
                let wait = backoff.next();
                (*longest, *shortest) = ((*longest).max(wait), (*shortest).min(wait));
            }
        }
        for (attempt, (longest, shortest)) in longest.into_iter().zip(shortest).enumerate() {
            let bound = (first * (1 << attempt)).min(limit);
            assert!(longest < bound && longest > bound.mul_f64(0.9), "attempt {attempt}: {longest:?}");
            assert!(shortest < bound.mul_f64(0.1), "attempt {attempt}: {shortest:?}");
        }
    }

    #[test]
    fn success_starts_it_over_and_many_attempts_do_not_overflow() {
        let (first, limit) = (Duration::from_secs(1), Duration::from_secs(3600));
        let mut backoff = Backoff::new(first, limit, Pcg64::new(7, 1));
        for _ in 0..100 {
            assert!(backoff.next() < limit);
        }
        backoff.reset();
        assert!(backoff.next() < first);
    }
}
