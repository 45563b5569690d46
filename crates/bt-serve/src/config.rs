//! What can be set of a venue.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bt_core::ConfigError;

use crate::faults::Faults;

/// How fast the present moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as real time.
    Times(f64),
    /// As fast as the clients take what is sent; not at all while there are none, or one is answered a REST request.
    Max,
}

/// Where a venue listens, how fast its time moves, and its patience.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeConfig {
    /// Where it listens; a free port of loopback.
    pub listen: SocketAddr,
    /// How fast the present moves; as in real time.
    pub speed: Speed,
    /// Connections that have subscribed to something before the present moves at all; 1.
    pub clients: usize,
    /// How often, in real time, open klines are sent; 2 s.
    pub update_every: Duration,
    /// How often, in real time, clients are pinged; 20 s.
    pub ping_every: Duration,
    /// A client that takes nothing for so long, in real time, is cut; 10 s.
    pub patience: Duration,
    /// Instants that may wait for a connection at [`Speed::Max`]; 8.
    pub ahead: usize,
    /// Instants by which a connection may be late at [`Speed::Times`] before it is cut; 1024.
    pub behind: usize,
    /// REST requests that an address may make within a minute of real time; no limit.
    pub requests_per_minute: Option<u32>,
    /// What goes wrong; nothing.
    pub faults: Option<Faults>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        ServeConfig {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            speed: Speed::Times(1.0),
            clients: 1,
            update_every: Duration::from_secs(2),
            ping_every: Duration::from_secs(20),
            patience: Duration::from_secs(10),
            ahead: 8,
            behind: 1024,
            requests_per_minute: None,
            faults: None,
        }
    }
}

macro_rules! with {
    ($($with:ident: $field:ident: $type:ty;)*) => { $(
        #[doc = concat!("Sets [`", stringify!($field), "`](ServeConfig::", stringify!($field), ").")]
        #[must_use]
        pub fn $with(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
    )* };
}

impl ServeConfig {
    with! {
        with_listen: listen: SocketAddr;
        with_speed: speed: Speed;
        with_clients: clients: usize;
        with_update_every: update_every: Duration;
        with_ping_every: ping_every: Duration;
        with_patience: patience: Duration;
        with_ahead: ahead: usize;
        with_behind: behind: usize;
        with_requests_per_minute: requests_per_minute: Option<u32>;
        with_faults: faults: Option<Faults>;
    }

    /// Whether all of it can be.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let invalid = |option, value: String, expected| Err(ConfigError::Invalid { option, value, expected });
        if let Speed::Times(times) = self.speed
            && !(times > 0.0 && times <= FASTEST)
        {
            return invalid("speed", times.to_string(), "a number above 0, of 1000000 at most");
        }
        let counts = [
            ("clients", self.clients),
            ("ahead", self.ahead),
            ("behind", self.behind),
            ("requests_per_minute", self.requests_per_minute.map_or(1, |most| most as usize)),
        ];
        if let Some((option, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return invalid(option, "0".to_owned(), "at least 1");
        }
        let times = [
            ("update_every", self.update_every),
            ("ping_every", self.ping_every),
            ("patience", self.patience),
        ];
        if let Some((option, _)) = times.into_iter().find(|(_, time)| time.is_zero()) {
            return invalid(option, "0s".to_owned(), "some time");
        }
        self.faults.as_ref().map_or(Ok(()), Faults::check)
    }
}

/// Faster than anybody can follow.
const FASTEST: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let config = ServeConfig::default;
        assert!(config().check().is_ok());
        for (bad, name) in [
            (config().with_speed(Speed::Times(0.0)), "speed"),
            (config().with_speed(Speed::Times(f64::NAN)), "speed"),
            (config().with_speed(Speed::Times(f64::INFINITY)), "speed"),
            (config().with_clients(0), "clients"),
            (config().with_ahead(0), "ahead"),
            (config().with_behind(0), "behind"),
            (config().with_requests_per_minute(Some(0)), "requests_per_minute"),
            (config().with_patience(Duration::ZERO), "patience"),
            (config().with_update_every(Duration::ZERO), "update_every"),
            (config().with_ping_every(Duration::ZERO), "ping_every"),
            (config().with_faults(Some(Faults::none(1).with_cut(1.5))), "cut"),
        ] {
            let error = bad.check().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
