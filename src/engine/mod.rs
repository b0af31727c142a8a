//! The pure engine: facts and `now` in, findings out. No I/O, no async, no clock, no environment.
