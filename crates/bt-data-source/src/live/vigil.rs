//! How long a connection is trusted without a word from it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::config::{LiveConfig, after};
use super::hub::Hub;
use super::stats::ConnectionState;

/// When something is to be done about a connection, whatever comes over it.
pub(super) struct Vigil {
    config: Arc<LiveConfig>,
    begin: Instant,
    /// When anything came.
    pub(super) last: Instant,
    ping: Instant,
}

/// What is to be done.
pub(super) enum Due {
    Ping,
    /// To be made anew, for this reason.
    End(String),
}

impl Vigil {
    pub(super) fn new(config: &Arc<LiveConfig>) -> Self {
        let begin = Instant::now();
        let ping = after(begin, config.ping_every);
        Vigil { config: Arc::clone(config), begin, last: begin, ping }
    }

    /// When it is silent, when it is without klines, and when it is old.
    fn ends(&self, heard: &Heard) -> [Instant; 3] {
        let LiveConfig { idle_limit, kline_limit, reconnect_every, .. } = *self.config;
        let kline = heard.at().max(self.begin);
        [after(self.last, idle_limit), after(kline, kline_limit), after(self.begin, reconnect_every)]
    }

    /// When there may be something to do, unless more is heard.
    pub(super) fn next(&self, heard: &Heard) -> Instant {
        self.ends(heard).into_iter().fold(self.ping, Instant::min)
    }

    pub(super) fn due(&mut self, heard: &Heard) -> Option<Due> {
        let LiveConfig { idle_limit, kline_limit, .. } = *self.config;
        let now = Instant::now();
        let [silent, deaf, old] = self.ends(heard).map(|end| end <= now);
        if silent {
            Some(Due::End(format!("silent for {idle_limit:?}")))
        } else if deaf {
            // A subscription may be dead though the line is not.
            Some(Due::End(format!("no kline for {kline_limit:?}")))
        } else if old {
            Some(Due::End("due to be made anew".to_owned()))
        } else if self.ping <= now {
            self.ping = after(now, self.config.ping_every);
            Some(Due::Ping)
        } else {
            None
        }
    }
}

/// When the venue was last heard.
#[derive(Debug)]
pub(super) struct Heard(Mutex<Instant>);

impl Default for Heard {
    fn default() -> Self {
        Heard(Mutex::new(Instant::now()))
    }
}

impl Heard {
    pub(super) fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn at(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells when a connection has been silent for too long.
pub(super) async fn watch(hub: &Hub, number: usize, heard: &Heard, limit: Duration) {
    loop {
        let last = heard.at();
        sleep_until(after(last, limit)).await;
        if heard.at() == last {
            hub.enter(number, ConnectionState::Stale, &format!("silent for {limit:?}"));
            sleep(limit).await;
        }
    }
}
