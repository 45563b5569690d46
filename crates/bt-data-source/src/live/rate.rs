//! How often a venue may be asked.

use std::time::Duration;

use tokio::time::Instant;

/// So many requests in any minute that begins with one, and none while the venue asks for a pause.
#[derive(Debug)]
pub(crate) struct Rate {
    per_minute: u32,
    /// When the minute ends, and what it has seen.
    ends: Option<Instant>,
    taken: u32,
    paused: Option<Instant>,
    alive: Option<Instant>,
    away: Option<Instant>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Rate {
    pub(crate) fn new(per_minute: u32) -> Self {
        Rate { per_minute, ends: None, taken: 0, paused: None, alive: None, away: None }
    }

    /// Takes leave for one request at `now`.
    ///
    /// # Errors
    /// When to ask again.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.paused.filter(|until| *until > now) {
            return Err(until);
        }
        match self.ends.filter(|ends| *ends > now) {
            Some(ends) if self.taken >= self.per_minute => {
                self.alive = self.alive.max(Some(ends));
                return Err(ends);
            }
            Some(_) => self.taken += 1,
            None => (self.ends, self.taken) = (Some(now + MINUTE), 1),
        }
        Ok(())
    }

    /// The venue has given what it was asked for.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.alive = self.alive.max(Some(now));
        self.away = None;
    }

    /// Patience with the venue is over.
    pub(crate) fn gave_up(&mut self, now: Instant) {
        self.away = Some(now);
    }

    /// When patience with it was last over, if it has given nothing since.
    pub(crate) fn away(&self) -> Option<Instant> {
        self.away
    }

    /// Until when it is known to give what it is asked for, or nobody may find out for its own limit.
    pub(crate) fn alive(&self) -> Option<Instant> {
        self.alive
    }

    /// The venue wants to hear nothing before `until`.
    pub(crate) fn pause(&mut self, until: Instant) {
        self.paused = self.paused.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_has_so_many_requests_and_a_pause_has_none() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut rate = Rate::new(2);
        assert_eq!((rate.take(after(0)), rate.take(after(50))), (Ok(()), Ok(())));
        assert_eq!(rate.take(after(59)), Err(after(60)));
        assert_eq!(rate.take(after(60)), Ok(()));
        rate.pause(after(70));
        rate.pause(after(65));
        assert_eq!(rate.take(after(69)), Err(after(70)));
        assert_eq!((rate.take(after(70)), rate.take(after(71))), (Ok(()), Err(after(120))));
    }
}
