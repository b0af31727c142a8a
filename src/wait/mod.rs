//! The loop of `hookbudget-wait`.
