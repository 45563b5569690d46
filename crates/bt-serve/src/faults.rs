//! What goes wrong, and when: drawn from a seed, never from the clock.

use bt_core::ConfigError;
use rand_core::Rng;
use rand_pcg::Pcg64;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The connection is dropped, between messages or in the middle of one.
    Cut,
    /// Nothing more is sent or answered, and the connection stays open until the client leaves.
    Silence,
    /// A message comes one byte every 100 ms.
    Loris,
    /// A message comes twice.
    Duplicate,
    /// A message is overtaken by others of its instant.
    Reorder,
    /// Garbage comes in place of a message, or before it.
    Malformed,
    /// A message of 2 MiB comes before another.
    Oversized,
    /// Only the beginning of a message comes.
    Truncated,
    /// A kline of a stream that nobody asked for comes before a message, or the answer to a request that nobody made.
    WrongId,
    /// The event time of a message is off by up to an hour.
    Skew,
    /// A connection is refused with status 503 or 429, or closed before the handshake.
    Refuse,
    /// The answer to a handshake comes one byte every 100 ms.
    SlowHandshake,
    /// A request is answered with status 500.
    RestError,
    /// An answer ends in the middle.
    RestCut,
    /// The first hundred bytes of an answer come one every 100 ms.
    RestSlow,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [FaultKind; 15] = [
        FaultKind::Cut,
        FaultKind::Silence,
        FaultKind::Loris,
        FaultKind::Duplicate,
        FaultKind::Reorder,
        FaultKind::Malformed,
        FaultKind::Oversized,
        FaultKind::Truncated,
        FaultKind::WrongId,
        FaultKind::Skew,
        FaultKind::Refuse,
        FaultKind::SlowHandshake,
        FaultKind::RestError,
        FaultKind::RestCut,
        FaultKind::RestSlow,
    ];

    /// Its name, such as `wrong_id`.
    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::Cut => "cut",
            FaultKind::Silence => "silence",
            FaultKind::Loris => "loris",
            FaultKind::Duplicate => "duplicate",
            FaultKind::Reorder => "reorder",
            FaultKind::Malformed => "malformed",
            FaultKind::Oversized => "oversized",
            FaultKind::Truncated => "truncated",
            FaultKind::WrongId => "wrong_id",
            FaultKind::Skew => "skew",
            FaultKind::Refuse => "refuse",
            FaultKind::SlowHandshake => "slow_handshake",
            FaultKind::RestError => "rest_error",
            FaultKind::RestCut => "rest_cut",
            FaultKind::RestSlow => "rest_slow",
        }
    }
}

/// How often things go wrong: chances from 0 to 1, of each message, connection or request.
///
/// The same seed makes the same faults: each connection draws its own from the seed and its number.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Faults {
    /// Where the random numbers begin.
    pub seed: u64,
    /// [`FaultKind::Cut`], of a message.
    pub cut: f64,
    /// [`FaultKind::Silence`], of a message.
    pub silence: f64,
    /// [`FaultKind::Loris`], of a message.
    pub loris: f64,
    /// [`FaultKind::Duplicate`], of a message.
    pub duplicate: f64,
    /// [`FaultKind::Reorder`], of a message; nothing happens to the last of its instant.
    pub reorder: f64,
    /// [`FaultKind::Malformed`], of a message.
    pub malformed: f64,
    /// [`FaultKind::Oversized`], of a message.
    pub oversized: f64,
    /// [`FaultKind::Truncated`], of a message.
    pub truncated: f64,
    /// [`FaultKind::WrongId`], of a message.
    pub wrong_id: f64,
    /// [`FaultKind::Skew`], of a message.
    pub skew: f64,
    /// [`FaultKind::Refuse`], of a connection that is to become a WebSocket.
    pub refuse: f64,
    /// [`FaultKind::SlowHandshake`], of a connection that is to become a WebSocket.
    pub slow_handshake: f64,
    /// [`FaultKind::RestError`], of a request.
    pub rest_error: f64,
    /// [`FaultKind::RestCut`], of a request.
    pub rest_cut: f64,
    /// [`FaultKind::RestSlow`], of a request.
    pub rest_slow: f64,
}

macro_rules! with {
    ($($with:ident: $field:ident;)*) => { $(
        #[doc = concat!("Sets the chance of [`", stringify!($field), "`](Faults::", stringify!($field), ").")]
        #[must_use]
        pub fn $with(mut self, $field: f64) -> Self {
            self.$field = $field;
            self
        }
    )* };
}

impl Faults {
    /// Everything goes wrong now and then: each fault of messages about once in 4,000.
    pub fn seeded(seed: u64) -> Self {
        let message = 1.0 / 4000.0;
        Faults {
            seed,
            cut: message,
            silence: message,
            loris: message,
            duplicate: message,
            reorder: message,
            malformed: message,
            oversized: message,
            truncated: message,
            wrong_id: message,
            skew: message,
            refuse: 0.1,
            slow_handshake: 0.02,
            rest_error: 0.01,
            rest_cut: 0.01,
            rest_slow: 0.005,
        }
    }

    /// Nothing goes wrong, to set single chances of.
    pub fn none(seed: u64) -> Self {
        Faults {
            seed,
            cut: 0.0,
            silence: 0.0,
            loris: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            malformed: 0.0,
            oversized: 0.0,
            truncated: 0.0,
            wrong_id: 0.0,
            skew: 0.0,
            refuse: 0.0,
            slow_handshake: 0.0,
            rest_error: 0.0,
            rest_cut: 0.0,
            rest_slow: 0.0,
        }
    }

    with! {
        with_cut: cut;
        with_silence: silence;
        with_loris: loris;
        with_duplicate: duplicate;
        with_reorder: reorder;
        with_malformed: malformed;
        with_oversized: oversized;
        with_truncated: truncated;
        with_wrong_id: wrong_id;
        with_skew: skew;
        with_refuse: refuse;
        with_slow_handshake: slow_handshake;
        with_rest_error: rest_error;
        with_rest_cut: rest_cut;
        with_rest_slow: rest_slow;
    }

    fn of_messages(&self) -> [(FaultKind, f64); 10] {
        [
            (FaultKind::Cut, self.cut),
            (FaultKind::Silence, self.silence),
            (FaultKind::Loris, self.loris),
            (FaultKind::Duplicate, self.duplicate),
            (FaultKind::Reorder, self.reorder),
            (FaultKind::Malformed, self.malformed),
            (FaultKind::Oversized, self.oversized),
            (FaultKind::Truncated, self.truncated),
            (FaultKind::WrongId, self.wrong_id),
            (FaultKind::Skew, self.skew),
        ]
    }

    fn of_connections(&self) -> [(FaultKind, f64); 2] {
        [(FaultKind::Refuse, self.refuse), (FaultKind::SlowHandshake, self.slow_handshake)]
    }

    fn of_requests(&self) -> [(FaultKind, f64); 3] {
        [
            (FaultKind::RestError, self.rest_error),
            (FaultKind::RestCut, self.rest_cut),
            (FaultKind::RestSlow, self.rest_slow),
        ]
    }

    /// Each is a chance, and at most one thing happens to a message, a connection or a request.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let groups: [&[(FaultKind, f64)]; 3] =
            [&self.of_messages(), &self.of_connections(), &self.of_requests()];
        for group in groups {
            let mut sum = 0.0;
            for (kind, chance) in group {
                sum += chance;
                if !(0.0..=1.0).contains(chance) || sum > 1.0 + 1e-9 {
                    let expected =
                        "chances from 0 to 1, of all that can happen to one thing at most 1 together";
                    return Err(ConfigError::Invalid {
                        option: kind.as_str(),
                        value: chance.to_string(),
                        expected,
                    });
                }
            }
        }
        Ok(())
    }
}

/// What goes wrong on one connection.
#[derive(Debug)]
pub(crate) struct Plan {
    faults: Faults,
    rng: Pcg64,
}

impl Plan {
    /// Of the connection of this number.
    pub(crate) fn new(faults: &Faults, connection: u64) -> Self {
        Plan { faults: faults.clone(), rng: Pcg64::new(faults.seed.into(), connection.into()) }
    }

    /// What happens to the next message.
    pub(crate) fn message(&mut self) -> Option<FaultKind> {
        let table = self.faults.of_messages();
        self.draw(&table)
    }

    /// What happens to the connection when it is to become a WebSocket.
    pub(crate) fn connection(&mut self) -> Option<FaultKind> {
        let table = self.faults.of_connections();
        self.draw(&table)
    }

    /// What happens to the next request.
    pub(crate) fn request(&mut self) -> Option<FaultKind> {
        let table = self.faults.of_requests();
        self.draw(&table)
    }

    /// A number from 0 to before `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // With bounds this small no remainder is favoured by a measure that matters.
        self.rng.next_u64() % bound.max(1)
    }

    fn draw(&mut self, table: &[(FaultKind, f64)]) -> Option<FaultKind> {
        // 53 bits make a number from 0 to before 1.
        let mut point = (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        table.iter().find_map(|(kind, chance)| {
            point -= chance;
            (point < 0.0).then_some(*kind)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(faults: &Faults, connection: u64) -> Vec<Option<FaultKind>> {
        let mut plan = Plan::new(faults, connection);
        (0..20_000).map(|_| plan.message()).collect()
    }

    #[test]
    fn the_same_seed_and_connection_fail_alike_and_others_differ() {
        let faults = Faults::seeded(7);
        let first = drawn(&faults, 1);
        assert_eq!(first, drawn(&faults, 1));
        assert_ne!(first, drawn(&faults, 2));
        assert_ne!(first, drawn(&Faults::seeded(8), 1));
    }

    #[test]
    fn each_kind_comes_about_as_often_as_it_is_set_to() {
        let drawn = drawn(&Faults::seeded(3).with_cut(0.5).with_skew(0.0), 1);
        let count = |kind| drawn.iter().filter(|drawn| **drawn == Some(kind)).count();
        assert!((9_500..10_500).contains(&count(FaultKind::Cut)), "{}", count(FaultKind::Cut));
        for (kind, chance) in Faults::seeded(3).of_messages() {
            assert!(chance > 0.0);
            match kind {
                FaultKind::Skew => assert_eq!(count(kind), 0),
                FaultKind::Cut => {}
                kind => assert!((1..20).contains(&count(kind)), "{kind:?}: {}", count(kind)),
            }
        }
        let mut none = Plan::new(&Faults::none(1), 1);
        assert!((0..1000).all(|_| none.message().or(none.connection()).or(none.request()).is_none()));
    }

    #[test]
    fn chances_are_chances() {
        assert!(Faults::seeded(1).check().is_ok());
        assert!(Faults::none(1).with_cut(1.0).with_refuse(1.0).check().is_ok());
        for (bad, name) in [
            (Faults::none(1).with_loris(-0.1), "loris"),
            (Faults::none(1).with_loris(f64::NAN), "loris"),
            (Faults::none(1).with_cut(0.6).with_skew(0.6), "skew"),
            (Faults::none(1).with_rest_slow(2.0), "rest_slow"),
        ] {
            assert!(bad.check().unwrap_err().to_string().contains(name));
        }
    }

    #[test]
    fn every_kind_is_drawn_from_one_table() {
        let faults = Faults::seeded(1);
        let tables: Vec<FaultKind> = (faults.of_messages().iter())
            .chain(&faults.of_connections())
            .chain(&faults.of_requests())
            .map(|(kind, _)| *kind)
            .collect();
        assert_eq!(tables, FaultKind::ALL);
        assert!(FaultKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
    }
}
