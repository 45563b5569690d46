//! Resample a candle source to a larger timeframe
