//! What stands below the options of a command.

pub(super) const RUN_EXAMPLES: &str = "Examples:
  bt run --data candles --series binance.spot:BTCUSDT@5m --from 2024-01-01 --to 2024-02-01 \\
         --strategy sma:12,48 --log run.jsonl --report run.json
  bt run --config run.toml --max-frames 1000

Keys of the configuration file are the long options: `series = [\"binance.spot:BTCUSDT@5m\"]`,
`strict = true`. Options on the command line override it: `--strict=false`. Keys of another command are
passed over, so one file may serve several.";

pub(super) const FRAMES_EXAMPLES: &str = "Examples:
  bt frames --data candles --series binance.spot:BTCUSDT@5m --series binance.spot:ETHUSDT@1h \\
            --from 2024-01-01 --to 2024-02-01 > frames.csv
  bt frames --config run.toml --align inner --out frames.parquet --format parquet";

pub(super) const LIVE_EXAMPLES: &str = "Examples:
  bt live --url wss://stream.binance.com:9443 --rest-url https://api.binance.com \\
          --series binance.spot:BTCUSDT@5m --from 2026-01-01 --strategy sma:12,48 --log live.jsonl
  bt live --url wss://stream.binance.com:9443 --history candles --series binance.spot:BTCUSDT@1h \\
          --from 2024-01-01 --max-frames 24 --format csv

Time is the venue's. It runs until --until or --max-frames, or until it is interrupted.";

pub(super) const SERVE_EXAMPLES: &str = "Example:
  bt serve --data candles --series binance.spot:BTCUSDT@1m --from 2024-01-01 --to 2024-02-01 \\
           --speed 60x --listen 127.0.0.1:9443
  bt live --url ws://127.0.0.1:9443 --rest-url http://127.0.0.1:9443 \\
          --series binance.spot:BTCUSDT@5m --from 2024-01-01 --until 2024-02-01

Time begins when the first client listens. Candles come in Binance's public format, at the timeframe of
the data set (--source-timeframe). It runs until it is interrupted.";

pub(super) const SYNTH_EXAMPLES: &str = "Example:
  bt synth --out candles --instruments 8 --months 12 --seed 7 --gaps 0.001 --compression snappy";
