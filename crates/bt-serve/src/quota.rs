//! How much an address may ask for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Requests of each address, within the minute.
#[derive(Debug)]
pub(crate) struct Quota {
    most: Option<u32>,
    minute: u64,
    asked: BTreeMap<IpAddr, Asked>,
    /// Who may not ask at all, and until when.
    banned: BTreeMap<IpAddr, Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    used: u32,
    refused: u32,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is answered; so many were asked for in this minute.
    Granted { used: u32 },
    /// It is one too many; another may be made after so many seconds.
    TooMany { used: u32, wait: u64 },
    /// Too many were made in spite of that.
    Banned { wait: u64 },
}

/// Requests that may be refused in a minute before the address is banned.
const REFUSALS: u32 = 5;

/// How long an address is banned.
const BAN: Duration = Duration::from_secs(120);

impl Quota {
    pub(crate) fn new(most: Option<u32>) -> Self {
        Quota { most, minute: 0, asked: BTreeMap::new(), banned: BTreeMap::new() }
    }

    /// A request from `address`, `now` after the beginning.
    pub(crate) fn ask(&mut self, address: IpAddr, now: Duration) -> Verdict {
        let minute = now.as_secs() / 60;
        if minute != self.minute {
            self.minute = minute;
            self.asked.clear();
            self.banned.retain(|_, until| *until > now);
        }
        if let Some(until) = self.banned.get(&address).filter(|until| **until > now) {
            return Verdict::Banned { wait: seconds(*until - now) };
        }
        let asked = self.asked.entry(address).or_default();
        if self.most.is_none_or(|most| asked.used < most) {
            asked.used = asked.used.saturating_add(1);
            return Verdict::Granted { used: asked.used };
        }
        asked.refused += 1;
        if asked.refused > REFUSALS {
            self.banned.insert(address, now + BAN);
            return Verdict::Banned { wait: seconds(BAN) };
        }
        Verdict::TooMany { used: asked.used, wait: seconds(Duration::from_secs(60 * (minute + 1)) - now) }
    }
}

/// Whole seconds, none too few.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    #[test]
    fn who_asks_too_much_waits_and_who_does_not_wait_is_banned() {
        let mut quota = Quota::new(Some(2));
        let mut ask = |address, at| quota.ask(address, Duration::from_millis(at));
        assert_eq!(ask(HERE, 0), Verdict::Granted { used: 1 });
        assert_eq!(ask(HERE, 10), Verdict::Granted { used: 2 });
        assert_eq!(ask(HERE, 20_500), Verdict::TooMany { used: 2, wait: 40 });
        assert_eq!(ask(THERE, 20_500), Verdict::Granted { used: 1 });
        assert_eq!(ask(HERE, 60_000), Verdict::Granted { used: 1 });
        assert_eq!(ask(HERE, 60_000), Verdict::Granted { used: 2 });
        for _ in 0..REFUSALS {
            assert_eq!(ask(HERE, 61_000), Verdict::TooMany { used: 2, wait: 59 });
        }
        assert_eq!(ask(HERE, 61_000), Verdict::Banned { wait: 120 });
        assert_eq!(ask(HERE, 180_000), Verdict::Banned { wait: 1 });
        assert_eq!(ask(HERE, 181_000), Verdict::Granted { used: 1 });
    }

    #[test]
    fn without_a_limit_requests_are_only_counted() {
        let mut quota = Quota::new(None);
        let last = (0..5000).map(|_| quota.ask(HERE, Duration::ZERO)).last();
        assert_eq!(last, Some(Verdict::Granted { used: 5000 }));
    }
}
