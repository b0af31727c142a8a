//! Which namespaces one exporter of several holds.

/// A part of a cluster. A namespace is held as a whole, so that a Job, its Pods, its events and what it waits for
/// meet in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    total: u32,
}

/// Two numbers that name no shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--shard-index {index} of --total-shards {total}: an index is at least 0 and less than the total")]
pub struct ShardError {
    index: u32,
    total: u32,
}

impl Shard {
    /// The whole cluster.
    pub const WHOLE: Self = Self { index: 0, total: 1 };

    /// Part `index` of `total`, counted from 0.
    ///
    /// # Errors
    /// [`ShardError`] where there is no such part.
    pub const fn new(index: u32, total: u32) -> Result<Self, ShardError> {
        if index < total {
            Ok(Self { index, total })
        } else {
            Err(ShardError { index, total })
        }
    }

    /// Its number, where there are several.
    #[must_use]
    pub const fn number(self) -> Option<u32> {
        if self.total > 1 { Some(self.index) } else { None }
    }

    /// Whether a namespace belongs to it. The shard with the highest weight wins (rendezvous hashing, Thaler and
    /// Ravishankar 1998), so one more shard takes its share from each of the others and moves nothing between them.
    #[must_use]
    pub fn holds(self, namespace: &str) -> bool {
        let best = (0..self.total).max_by_key(|shard| weight(*shard, namespace));
        best == Some(self.index)
    }
}

/// FNV-1a over the shard's number and the name, then the mixer of `SplitMix64`: FNV alone leaves the high bits of
/// similar names alike.
fn weight(shard: u32, namespace: &str) -> u64 {
    let bytes = shard.to_le_bytes().into_iter().chain(namespace.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(namespace: &str, total: u32) -> u32 {
        let shards = (0..total).map(|index| Shard::new(index, total).expect("a shard"));
        let mut holders = shards.filter(|shard| shard.holds(namespace));
        let holder = holders.next().expect("somebody holds it");
        assert_eq!(holders.next(), None, "nobody else holds {namespace}");
        holder.index
    }

    #[test]
    fn every_namespace_is_held_once_and_the_parts_are_alike() {
        let mut held = [0_u32; 4];
        for number in 0..4000 {
            held[holder(&format!("team-{number}"), 4) as usize] += 1;
        }
        assert!(held.iter().all(|count| (900..1100).contains(count)), "{held:?}");
    }

    #[test]
    fn one_more_shard_moves_nothing_between_the_others() {
        for number in 0..1000 {
            let namespace = format!("ns-{number}");
            let (before, after) = (holder(&namespace, 3), holder(&namespace, 4));
            assert!(after == before || after == 3, "{namespace}: {before} to {after}");
        }
    }

    #[test]
    fn the_whole_holds_everything_and_a_number_beyond_the_total_is_refused() {
        assert!(Shard::WHOLE.holds("any") && Shard::WHOLE.number().is_none());
        let error = Shard::new(2, 2).expect_err("no such shard");
        assert_eq!(
            error.to_string(),
            "--shard-index 2 of --total-shards 2: an index is at least 0 and less than the total"
        );
        assert!(Shard::new(0, 0).is_err());
    }
}
