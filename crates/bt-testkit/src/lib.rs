//! Test kit of the pipeline: scripted sources and sinks, contract suites, the naive reference
