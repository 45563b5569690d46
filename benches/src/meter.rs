//! What a program takes: time, processor time, memory.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Measures from where it was started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    began: Instant,
    cpu: Duration,
}

impl Meter {
    /// Starts measuring.
    pub(crate) fn start() -> Self {
        Meter { began: Instant::now(), cpu: cpu() }
    }

    /// Seconds on the wall's clock, and of processors, by all threads.
    pub(crate) fn seconds(&self) -> (f64, f64) {
        (self.began.elapsed().as_secs_f64(), (cpu() - self.cpu).as_secs_f64())
    }
}

/// Processor time of this process, also of threads that have ended.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The most memory that this process has had, in KiB; 0 where the system does not tell.
pub(crate) fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_processor_time_and_memory() {
        let meter = Meter::start();
        let mut sum = 0u64;
        while meter.seconds().1 == 0.0 {
            sum = (0..10_000u64).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        let (wall, cpu) = meter.seconds();
        assert!(wall > 0.0 && cpu > 0.0, "{wall} {cpu} {sum}");
        if cfg!(target_os = "linux") {
            assert!(peak_kib() > 100);
        }
    }
}
