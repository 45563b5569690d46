//! Candle sources: Parquet files read and decoded off the runtime, candles in memory
