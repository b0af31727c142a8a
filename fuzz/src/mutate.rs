//! Changes to an input.

/// Random numbers (splitmix64): the same for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Words that the grammars know.
const WORDS: &[&str] = &[
    "until ",
    "while ",
    "for i in ",
    "do ",
    "done",
    "; ",
    "\n",
    "if ",
    "then ",
    "else ",
    "elif ",
    "fi",
    "case x in ",
    "a) ",
    ";; ",
    "esac",
    "{ ",
    " }",
    "(",
    ")",
    "$(",
    "`",
    "$((",
    "))",
    "((",
    "[[ ",
    " ]]",
    "[ ",
    " ]",
    "! ",
    " && ",
    " || ",
    " | ",
    " & ",
    "<<E\n",
    "\nE\n",
    "<<<",
    ">/dev/tcp/a/1",
    "2>&1",
    "${x:-",
    "${x%",
    "${#x}",
    "$x",
    "$@",
    "$?",
    "$!",
    "$RANDOM",
    "'",
    "\"",
    "\\",
    "\r\n",
    "#",
    "sleep ",
    "infinity",
    "5m",
    "0.5",
    "-1",
    "99999999999999999999",
    "9223372036854775807",
    "seq ",
    "{1..9}",
    "date +%s",
    "SECONDS",
    "timeout 5 ",
    "sh -c ",
    "eval ",
    ". /x",
    "set -e\n",
    "exit 1",
    "break 2",
    "continue",
    "return 1",
    "f() { ",
    "f",
    "local ",
    "x=$((x+1))",
    "curl -m 3 http://a/",
    "--retry 5 ",
    "wget ",
    "nc -z a 1",
    "expr ",
    "let i++",
    "read x",
    "kind: Job\n",
    "&a ",
    "*a",
    "<<: ",
    "- ",
    "? ",
    ": ",
    "|\n",
    ">-\n",
    "!!str ",
    "---\n",
    "\t",
    "1h",
    "\u{feff}",
    "null",
    "[]",
    "{}",
    "[[",
    "{\"a\":",
    "\"env\":[{\"name\":\"A\",\"value\":\"1\"}],",
    "\"helm.sh/hook\":\"post-install\",",
    "\"hookbudget.dev/wait-for\":\"tcp://db:1\",",
    "\"hookbudget.dev/rewrite\":\"all\",",
    "\"hookbudget.dev/env\":\"A=wait-timeout\",",
    "\"restartPolicy\":\"Never\",",
    "\"initContainers\":[{\"name\":\"i\"}],",
    "\"backoffLimit\":0,",
    "\\u001b",
    "~1",
    "/0/",
];

/// The longest input.
const LONGEST: usize = 64 * 1024;

/// A changed copy of `input`; `other` may be spliced in.
pub(crate) fn mutated(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut data = input.to_vec();
    for _ in 0..1 + random.below(4) {
        one(random, &mut data, other);
    }
    data.truncate(LONGEST);
    data
}

fn one(random: &mut Random, data: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(data.len() + 1);
    let end = (at + 1 + random.below(40)).min(data.len());
    match random.below(10) {
        0 => {
            if let Some(byte) = data.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => drop(data.drain(at.min(end)..end)),
        2 | 3 | 4 => insert(data, at, WORDS[random.below(WORDS.len())].as_bytes()),
        5 => {
            let piece = data[at.min(end)..end].to_vec();
            insert(data, random.below(data.len() + 1), &piece);
        }
        6 => {
            // Deep nesting and long repetitions.
            let piece = data[at.min(end)..end].to_vec();
            insert(data, at, &piece.repeat(1 + random.below(200)));
        }
        7 => {
            let from = random.below(other.len() + 1);
            let to = (from + random.below(200)).min(other.len());
            insert(data, at, &other[from.min(to)..to]);
        }
        8 => data.truncate(at),
        _ => {
            // Another number.
            if let Some(digit) = data.iter().skip(at).position(u8::is_ascii_digit) {
                let number = [0, 1, 2, 60, 4_001, 1 << 31, u64::MAX >> 1, random.next()][random.below(8)];
                data.remove(at + digit);
                insert(data, at + digit, number.to_string().as_bytes());
            }
        }
    }
}

fn insert(data: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let tail = data.split_off(at.min(data.len()));
    data.extend_from_slice(piece);
    data.extend(tail);
}
