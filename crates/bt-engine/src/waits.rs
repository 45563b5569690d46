//! How long was waited.

use std::time::Duration;

/// How often and how long was waited.
///
/// Waits are counted in buckets by powers of two, so what they take in memory does not depend on their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waits {
    /// Number of waits.
    pub count: u64,
    /// All of them together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
    /// At `n`, the number of waits of at most 2ⁿ µs that are in no bucket before.
    buckets: Vec<u64>,
}

impl Waits {
    /// The buckets from the shortest to that of the longest wait: each with its upper bound, which is part of it,
    /// and the number of waits in it.
    ///
    /// Bounds are 1 µs, 2 µs, 4 µs and so on.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.buckets.iter().enumerate().map(|(at, count)| (upper(at), *count))
    }

    /// A length that this share of the waits did not exceed, such as `0.99`: the upper bound of a bucket, or the
    /// longest wait if that is shorter. So it is never too low, and at most twice too high above 1 µs.
    ///
    /// Zero if there was no wait; a share outside of 0 to 1 is taken for the nearer of them.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut counted = 0;
        let bucket = self.buckets().find(|(_, count)| {
            counted += count;
            counted >= wanted
        });
        bucket.map_or(self.longest, |(upper, _)| upper.min(self.longest))
    }

    pub(crate) fn record(&mut self, wait: Duration) {
        self.count += 1;
        self.total = self.total.saturating_add(wait);
        self.longest = self.longest.max(wait);
        let micros = u64::try_from(wait.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        let at = micros.checked_next_power_of_two().map_or(u64::BITS, u64::trailing_zeros) as usize;
        if self.buckets.len() <= at {
            self.buckets.resize(at + 1, 0);
        }
        self.buckets[at] += 1;
    }
}

/// The upper bound of the bucket at this place.
fn upper(at: usize) -> Duration {
    let micros = u32::try_from(at).ok().and_then(|at| 1_u64.checked_shl(at));
    micros.map_or(Duration::MAX, Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(nanos: &[u64]) -> Waits {
        let mut waits = Waits::default();
        nanos.iter().for_each(|nanos| waits.record(Duration::from_nanos(*nanos)));
        waits
    }

    #[test]
    fn a_wait_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let waits = waits(&[0, 1, 1_000, 1_001, 2_000, 2_001, 4_000, 16_001]);
        let micros: Vec<_> = waits.buckets().map(|(upper, count)| (upper.as_micros(), count)).collect();
        assert_eq!(micros, [(1, 3), (2, 2), (4, 2), (8, 0), (16, 0), (32, 1)]);
        assert_eq!((waits.count, waits.total), (8, Duration::from_nanos(26_004)));
        assert_eq!(waits.longest, Duration::from_nanos(16_001));
    }

    #[test]
    fn a_wait_of_any_length_has_a_bucket() {
        let mut waits = Waits::default();
        waits.record(Duration::MAX);
        waits.record(Duration::MAX);
        assert_eq!(waits.buckets().last(), Some((Duration::MAX, 2)));
        assert_eq!(waits.total, Duration::MAX);
    }

    #[test]
    fn a_quantile_is_never_too_low_and_never_above_the_longest() {
        let mut waits = waits(&[1_000; 98]);
        waits.record(Duration::from_micros(100));
        waits.record(Duration::from_millis(5));
        let micros = |share| waits.quantile(share).as_micros();
        assert_eq!([0.0, 0.5, 0.98, 0.99, 0.995, 1.0, 7.0].map(micros), [1, 1, 1, 128, 5000, 5000, 5000]);
        assert_eq!(Waits::default().quantile(0.5), Duration::ZERO);
    }
}
