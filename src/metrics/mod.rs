//! Metric families, their collector, and the exposition over HTTP.
