//! A venue's present instant.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The present, in milliseconds since the epoch.
#[derive(Debug)]
pub(crate) struct Present(Mutex<Course>);

#[derive(Clone, Copy, Debug)]
enum Course {
    /// Stands still.
    Stands(i64),
    /// Moves on from an instant, so many times as fast as real time.
    Runs { since: Instant, from: i64, times: f64 },
}

impl Present {
    /// Stands still at `at`.
    pub(crate) fn new(at: i64) -> Self {
        Present(Mutex::new(Course::Stands(at)))
    }

    pub(crate) fn now(&self) -> i64 {
        self.course().at(Instant::now())
    }

    /// Stands still at `at` from now on.
    pub(crate) fn stand(&self, at: i64) {
        self.set(Course::Stands(at));
    }

    /// Moves on from `from`, from now on.
    pub(crate) fn run(&self, from: i64, times: f64) {
        self.set(Course::Runs { since: Instant::now(), from, times });
    }

    /// When the present is `at`: now, if it is past that or stands.
    pub(crate) fn when(&self, at: i64) -> Instant {
        self.course().when(at)
    }

    fn set(&self, course: Course) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = course;
    }

    fn course(&self) -> Course {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Course {
    fn at(self, now: Instant) -> i64 {
        match self {
            Course::Stands(at) => at,
            Course::Runs { since, from, times } => {
                from.saturating_add((now.duration_since(since).as_secs_f64() * 1000.0 * times) as i64)
            }
        }
    }

    fn when(self, at: i64) -> Instant {
        match self {
            Course::Stands(_) => Instant::now(),
            Course::Runs { since, from, times } => {
                let wait = at.saturating_sub(from).max(0) as f64 / 1000.0 / times;
                since + Duration::try_from_secs_f64(wait).unwrap_or(FAR).min(FAR)
            }
        }
    }
}

/// Longer than anybody waits.
const FAR: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_at_its_own_pace() {
        let since = Instant::now();
        let course = Course::Runs { since, from: 1_000, times: 60.0 };
        assert_eq!(course.at(since), 1_000);
        assert_eq!(course.at(since + Duration::from_secs(1)), 61_000);
        assert_eq!(course.when(61_000), since + Duration::from_secs(1));
        assert_eq!(course.when(0), since);
        assert_eq!(course.when(i64::MAX), since + FAR);
        assert_eq!(Course::Stands(5).at(since + Duration::from_secs(1)), 5);
    }
}
