//! R5 to R25, R35 and R37 as a whole: from files on disk to frames, against the naive reference.

#![cfg(feature = "write")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::path::PathBuf;

use bt_core::SourceError;
use bt_data_source::{ParquetSource, ReadPool};
use bt_feeder::{Align, BarFeed, Fill};
use bt_resample::{PartialPolicy, Resample};
use bt_testkit::reference::{self, RefFrame};
use bt_testkit::strategies::{self, PipelineCase};
use bt_testkit::{Entry, Recorder};
use futures::TryStreamExt;
use futures::executor::block_on;
use proptest::prelude::*;

/// A case laid out on disk.
struct OnDisk {
    case: PipelineCase,
    /// The files of each subscription.
    paths: Vec<Vec<PathBuf>>,
    _dirs: Vec<tempfile::TempDir>,
}

impl OnDisk {
    fn new(case: PipelineCase, group: usize) -> Self {
        let (dirs, paths) = case.inputs.iter().map(|input| common::files(&input.files, group)).unzip();
        OnDisk { case, paths, _dirs: dirs }
    }

    fn open(
        &self,
        pool: &ReadPool,
        batch_rows: usize,
        recorder: &Recorder,
    ) -> Result<Vec<ParquetSource>, SourceError> {
        let open = |(input, paths): (&reference::RefInput, &Vec<PathBuf>)| {
            let series = input.series.instrument().at(input.source_timeframe);
            let builder = ParquetSource::files(series, paths).range(input.range).pool(pool);
            common::open(builder.batch_rows(batch_rows).log(recorder.sink()))
        };
        self.case.inputs.iter().zip(&self.paths).map(open).collect()
    }

    /// The least budget that will do.
    fn floor(&self) -> u64 {
        let pool = ReadPool::builder().threads(1).build().unwrap();
        let sources = self.open(&pool, 8192, &Recorder::new()).unwrap();
        let floor = pool.floor();
        drop(sources);
        floor
    }

    fn run(&self, batch_rows: usize, threads: usize, memory: u64) -> (Vec<RefFrame>, Vec<Entry>) {
        let recorder = Recorder::new();
        let pool = ReadPool::builder().threads(threads).memory(memory).build().unwrap();
        let rules = self.case.rules;
        let mut builder = BarFeed::builder()
            .align(match rules.align {
                reference::Align::Outer => Align::Outer,
                reference::Align::Inner => Align::Inner,
            })
            .fill(match rules.fill {
                reference::Fill::Forward => Fill::Forward { limit: rules.fill_limit },
                reference::Fill::None => Fill::None,
            })
            .log(recorder.sink());
        let policy = match self.case.partial {
            reference::PartialPolicy::Emit => PartialPolicy::Emit,
            reference::PartialPolicy::Drop => PartialPolicy::Drop,
        };
        for (source, input) in
            self.open(&pool, batch_rows, &recorder).unwrap().into_iter().zip(&self.case.inputs)
        {
            builder = builder
                .subscribe(Resample::new(source, input.series.timeframe()).unwrap().with_partial(policy));
        }
        pool.check_budget().unwrap();
        let mut feed = builder.build().unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = block_on(feed.try_next()).unwrap() {
            recorder.frame(&frame);
            frames.push(RefFrame::from(&frame));
        }
        (frames, recorder.entries())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn files_become_the_frames_that_the_reference_makes(case in strategies::pipeline_case(), group in 1..100usize) {
        let disk = OnDisk::new(case, group);
        let (frames, entries) = disk.run(disk.case.batch_rows, 2, 64 << 20);
        prop_assert_eq!(&frames, &disk.case.frames());
        // Neither the size of batches nor threads nor the least memory change a byte of frames or logs.
        for (batch_rows, threads) in [(1, 1), (8192, 3)] {
            let (again, said) = disk.run(batch_rows, threads, disk.floor() * threads as u64);
            prop_assert_eq!(&again, &frames);
            prop_assert_eq!(&said, &entries);
        }
    }
}
