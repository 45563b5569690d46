//! Drive a feed of frames into a bus, step by step, with services that keep up
