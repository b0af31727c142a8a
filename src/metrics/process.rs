//! What the kernel says of this process, under the names of Prometheus' own client libraries. Read from `/proc` at
//! scrape; where there is none, the families have no sample.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};

use crate::engine::Seconds;

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, 100 on every architecture that this runs on (torvalds/linux
/// `include/asm-generic/param.h`).
const TICKS: i64 = 100;

/// Time on processors, of the kernel and of the program.
#[must_use]
pub fn cpu() -> Option<Seconds> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    Some(from_ticks(ticks(&stat, 14)? + ticks(&stat, 15)?))
}

/// When the process began.
#[must_use]
pub fn started() -> Option<Timestamp> {
    static STARTED: LazyLock<Option<Timestamp>> = LazyLock::new(|| {
        let after_boot = from_ticks(ticks(&fs::read_to_string("/proc/self/stat").ok()?, 22)?);
        let boot: i64 = number(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
        let boot = Timestamp::from_second(boot).ok()?;
        boot.checked_add(SignedDuration::from_nanos(after_boot.nanos()))
            .ok()
    });
    *STARTED
}

/// Bytes of memory that are resident, and bytes of address space.
#[must_use]
pub fn memory() -> Option<(u64, u64)> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = |name| Some(number::<u64>(&status, name)? * 1024);
    Some((kibibytes("VmRSS:")?, kibibytes("VmSize:")?))
}

/// Files and sockets that are open.
#[must_use]
pub fn open_files() -> Option<u64> {
    let open = fs::read_dir(Path::new("/proc/self/fd")).ok()?.count();
    // One of them is the directory that is read.
    u64::try_from(open.saturating_sub(1)).ok()
}

/// How many may be open at once; none where there is no limit.
#[must_use]
pub fn most_files() -> Option<u64> {
    number(&fs::read_to_string("/proc/self/limits").ok()?, "Max open files")
}

/// A field of `/proc/PID/stat`, counted from 1 (proc(5)). The second one is the program's name in parentheses, which may
/// hold spaces and parentheses itself.
fn ticks(stat: &str, field: usize) -> Option<i64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(field - 3)?.parse().ok()
}

fn from_ticks(ticks: i64) -> Seconds {
    Seconds::from_nanos(ticks.saturating_mul(1_000_000_000 / TICKS))
}

/// The first number behind a name at the beginning of a line.
fn number<N: std::str::FromStr>(text: &str, name: &str) -> Option<N> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_an_odd_name_is_read() {
        let stat = "7 (a) b ( c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 8100 0 0";
        assert_eq!(
            (ticks(stat, 14), ticks(stat, 15), ticks(stat, 22)),
            (Some(250), Some(50), Some(8100))
        );
        assert_eq!(from_ticks(250), Seconds::from_nanos(2_500_000_000));
        let limits =
            "Limit    Soft Limit   Hard Limit   Units\nMax open files            1024    524288     files\n";
        assert_eq!(number::<u64>(limits, "Max open files"), Some(1024));
        assert_eq!(
            number::<u64>("Max open files  unlimited unlimited files", "Max open files"),
            None
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_read() {
        let now = Timestamp::now();
        let started = started().expect("a start");
        assert!(
            started <= now && now.duration_since(started) < SignedDuration::from_hours(24),
            "{started}"
        );
        assert!(cpu().is_some_and(|cpu| cpu >= Seconds::ZERO));
        let (resident, size) = memory().expect("sizes");
        assert!(resident > 1 << 20 && size >= resident, "{resident} {size}");
        let open = open_files().expect("a count");
        let _file = fs::File::open("/proc/self/stat").expect("opened");
        assert!(open_files() > Some(open) || open > 3, "{open}");
        assert!(most_files().is_none_or(|most| most >= open));
    }
}
