//! Merge candle sources into time-aligned frames
