//! Scripts that wait, put together at random from the ways in which people write them.

/// A sequence of numbers that is the same on every machine (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    pub(crate) fn of<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.below(choices.len())]
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// A script, and what may differ between its reading and its run.
pub(crate) struct Script {
    pub(crate) text: String,
    /// It needs bash.
    pub(crate) bash: bool,
    /// Seconds by which a clock may be passed: a pause and the probes of a round.
    pub(crate) slack: f64,
}

pub(crate) struct Generator<'r> {
    random: &'r mut Random,
    bash: bool,
    slack: f64,
    /// Names are counted, so that one part of a script does not meddle with another.
    names: usize,
    /// What stands before the loop.
    before: String,
    errexit: bool,
}

/// A script of one to three waits.
pub(crate) fn script(random: &mut Random) -> Script {
    let bash = random.one_in(3);
    let mut generator = Generator {
        random,
        bash,
        slack: 0.0,
        names: 0,
        before: String::new(),
        errexit: false,
    };
    let text = generator.script();
    Script {
        text,
        bash,
        slack: generator.slack,
    }
}

impl Generator<'_> {
    fn script(&mut self) -> String {
        let options: &[&str] = if self.bash {
            &["", "set -e\n", "set -eu\n", "set -euo pipefail\n", "set -x\n"]
        } else {
            &["", "set -e\n", "set -eu\n", "set -o errexit\n"]
        };
        let mut text = self.random.of(options).to_owned();
        self.errexit = text.contains('e');
        let parts = 1 + self.random.below(2) + usize::from(self.random.one_in(3));
        for part in 0..parts {
            self.before.clear();
            let wait = self.wait();
            text.push_str(&self.before);
            text.push_str(&wait);
            if self.random.one_in(4) && part + 1 == parts {
                break;
            }
            text.push_str(&format!("\nmigrate {part}\n"));
        }
        text
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    /// A number as people write one.
    fn number(&mut self, number: usize) -> String {
        match self.random.below(6) {
            0 => {
                let name = self.name();
                self.before.push_str(&format!("{name}={number}\n"));
                format!("${name}")
            }
            1 => {
                let name = self.name();
                format!("${{{name}:-{number}}}")
            }
            2 if number.is_multiple_of(2) => {
                let name = self.name();
                self.before.push_str(&format!("{name}={}\n", number / 2));
                format!("$(({name}*2))")
            }
            _ => number.to_string(),
        }
    }

    fn rounds(&mut self) -> usize {
        2 + self.random.below(8)
    }

    fn pause(&mut self) -> String {
        let pause = self
            .random
            .of(&["1", "2", "3", "5", "10", "2s", "0.5", "1m", "7"]);
        match pause.parse::<usize>() {
            Ok(number) => self.number(number),
            Err(_) => pause.to_owned(),
        }
    }

    /// A command that fails as long as the service is not there, usable wherever one command is.
    fn probe(&mut self) -> String {
        let limit = 1 + self.random.below(5);
        match self.random.below(9) {
            0 => format!("curl -fsS -m {limit} http://api:8080/healthz >/dev/null"),
            1 => format!("nc -z -w {limit} db 5432"),
            2 => format!("nc -zw{limit} db 5432 2>/dev/null"),
            3 => format!("wget -q -T {limit} -O /dev/null http://api/"),
            4 => format!("pg_isready -h db -t {limit} -q"),
            5 => format!("timeout {limit} curl -s http://api/ > /dev/null 2>&1"),
            6 => {
                let name = self.name();
                self.before
                    .push_str(&format!("{name}() {{ curl -sf -m {limit} http://api/ ; }}\n"));
                name
            }
            7 => format!("[ \"$(curl -s -o /dev/null -w '%{{http_code}}' -m {limit} http://api/)\" = 200 ]"),
            _ => {
                let name = self.name();
                format!(
                    "{{ {name}=$(curl -s -o /dev/null -w '%{{http_code}}' -m {limit} http://api/) || true; [ \"${name}\" = \"200\" ]; }}"
                )
            }
        }
    }

    /// A test of numbers: `a OP b` in one of the shell's ways.
    fn test(&mut self, left: &str, operator: &str, right: &str) -> String {
        if self.bash && self.random.one_in(3) {
            let sign = match operator {
                "-lt" => "<",
                "-le" => "<=",
                "-gt" => ">",
                "-ge" => ">=",
                "-eq" => "==",
                _ => "!=",
            };
            return if self.random.one_in(2) {
                format!("(( {left} {sign} {right} ))")
            } else {
                format!("[[ {left} {operator} {right} ]]")
            };
        }
        match self.random.below(3) {
            0 => format!("test {left} {operator} {right}"),
            1 => format!("[ \"{left}\" {operator} \"{right}\" ]"),
            _ => format!("[ {left} {operator} {right} ]"),
        }
    }

    fn step(&mut self, name: &str, up: bool) -> String {
        let sign = if up { '+' } else { '-' };
        let plain = [
            format!("{name}=$(({name}{sign}1))"),
            format!("{name}=$(( ${name} {sign} 1 ))"),
            format!("{name}=$(expr ${name} {sign} 1) || true"),
            format!("{name}=`expr ${name} {sign} 1` || true"),
            format!(": $(({name}{sign}=1))"),
        ];
        let bash = [
            format!("(({name}{sign}{sign})) || true"),
            // Under `set -e` this ends the script where the old value is 0.
            format!(
                "(({name}{sign}{sign})){}",
                if self.errexit { " || :" } else { "" }
            ),
            format!("let {name}{sign}=1 || true"),
            format!("(({name}{sign}=1)) || :"),
        ];
        if self.bash && self.random.one_in(2) {
            bash[self.random.below(bash.len())].clone()
        } else {
            plain[self.random.below(plain.len())].clone()
        }
    }

    /// What is done when the wait has run out: one command.
    fn give_up(&mut self, in_function: bool) -> &'static str {
        if in_function {
            self.random.of(&["return 1", "return 1", "exit 1", "return 0"])
        } else {
            self.random.of(&["exit 1", "exit 1", "break", "exit 3"])
        }
    }

    fn wait(&mut self) -> String {
        match self.random.below(10) {
            0 => self.in_timeout(),
            1 | 2 => self.in_function(),
            3 => self.nested(),
            4 => self.with_a_flag(),
            5 => {
                let inner = self.loop_of(false);
                let before = std::mem::take(&mut self.before);
                let open = self.random.of(&["(", "{"]);
                format!("{before}{open}\n{inner}\n{}", if open == "(" { ")" } else { "}" })
            }
            _ => self.loop_of(false),
        }
    }

    fn loop_of(&mut self, in_function: bool) -> String {
        match self.random.below(6) {
            0 | 1 => self.counted(in_function),
            2 | 3 => self.until(in_function),
            4 => self.clocked(in_function),
            _ => self.growing(),
        }
    }

    /// Items of a `for`, `rounds` of them.
    fn items(&mut self, rounds: usize) -> String {
        let number = self.number(rounds);
        match self.random.below(if self.bash { 7 } else { 6 }) {
            0 => format!("$(seq {number})"),
            1 => format!("$(seq 1 {number})"),
            2 => format!("`seq 1 {number}`"),
            3 => format!("$(seq {number} -1 1)"),
            4 => format!("$(seq 0 2 {})", 2 * rounds - 1),
            5 => (1..=rounds).map(|n| n.to_string()).collect::<Vec<_>>().join(" "),
            _ => format!("{{1..{rounds}}}"),
        }
    }

    /// What a round does, leaving when the service is there.
    fn body(&mut self, leave: &str) -> String {
        let (probe, pause) = (self.probe(), self.pause());
        match self.random.below(8) {
            7 => format!("sleep {pause}\n{probe} && {leave}"),
            0 => format!("if {probe}; then {leave}; fi\nsleep {pause}"),
            1 => format!("{probe} && {leave}\nsleep {pause}"),
            2 => format!("sleep {pause}\nif {probe}; then echo up; {leave}; fi"),
            3 => format!("{probe} && {leave} || sleep {pause}"),
            4 => format!("if ! {probe}; then\n  echo \"not yet\"\n  sleep {pause}\nelse\n  {leave}\nfi"),
            5 => format!("if {probe}\nthen\n  {leave}\nelse\n  sleep {pause}\n  continue\nfi"),
            _ => format!("if {probe}; then\n  {leave}\nfi\necho \"waiting\" >&2\nsleep {pause} # seconds"),
        }
    }

    fn counted(&mut self, in_function: bool) -> String {
        let leave = if in_function { "return 0" } else { "break" };
        let rounds = self.rounds();
        let name = self.name();
        match self.random.below(if self.bash { 5 } else { 4 }) {
            0 => {
                let (items, body) = (self.items(rounds), self.body(leave));
                format!("for {name} in {items}; do\n{body}\ndone")
            }
            1 => {
                let number = self.number(rounds);
                let operator = self.random.of(&["-lt", "-ne"]);
                let (test, step) = (
                    self.test(&format!("${name}"), operator, &number),
                    self.step(&name, true),
                );
                let body = self.body(leave).replace("\n  continue", "");
                format!("{name}=0\nwhile {test}; do\n{body}\n{step}\ndone")
            }
            2 => {
                let test = self.test(&format!("${name}"), "-gt", "0");
                let step = self.step(&name, false);
                let body = self.body(leave);
                format!("{name}={rounds}\nwhile {test}\ndo\n{step}\n{body}\ndone")
            }
            3 => {
                // The last round leaves before its pause.
                let (items, probe, pause) = (format!("$(seq 1 {rounds})"), self.probe(), self.pause());
                let test = self.test(&format!("${name}"), "-eq", &rounds.to_string());
                let give_up = self.give_up(in_function);
                format!(
                    "for {name} in {items}; do\nif {probe}; then {leave}; fi\nif {test}; then echo late; {give_up}; fi\nsleep {pause}\ndone"
                )
            }
            _ => {
                let body = self.body(leave);
                format!("for (({name}=0; {name}<{rounds}; {name}++)); do\n{body}\ndone")
            }
        }
    }

    fn until(&mut self, in_function: bool) -> String {
        let (name, rounds) = (self.name(), self.rounds());
        let (probe, pause) = (self.probe(), self.pause());
        let step = self.step(&name, true);
        let operator = self.random.of(&["-ge", "-gt", "-eq"]);
        let number = self.number(rounds);
        let test = self.test(&format!("${name}"), operator, &number);
        let give_up = self.give_up(in_function);
        let check = if self.random.one_in(3) {
            format!("{test} && {give_up}")
        } else {
            format!("if {test}; then\n  echo \"too late\"\n  {give_up}\nfi")
        };
        let body = match self.random.below(4) {
            0 => format!("{step}\n{check}\nsleep {pause}"),
            1 => format!("{check}\n{step}\nsleep {pause}"),
            2 => format!("sleep {pause}\n{step}\n{check}"),
            _ => format!("{step}\nsleep {pause}\n{check}"),
        };
        let head = match self.random.below(4) {
            0 => format!("while ! {probe}; do"),
            1 => format!("while true; do\nif {probe}; then break; fi"),
            2 => format!("while :; do {probe} && break"),
            _ => format!("until {probe}; do"),
        };
        format!("{name}=0\n{head}\n{body}\ndone")
    }

    fn clocked(&mut self, in_function: bool) -> String {
        let (name, span) = (self.name(), 5 + self.random.below(60));
        let number = self.number(span);
        let leave = if in_function { "return 0" } else { "break" };
        self.slack += 70.0;
        let now = self.random.of(&["$(date +%s)", "`date +%s`"]);
        match self.random.below(if self.bash { 5 } else { 3 }) {
            0 => {
                let (test, body) = (self.test(now, "-lt", &format!("${name}")), self.body(leave));
                format!("{name}=$(( $(date +%s) + {number} ))\nwhile {test}; do\n{body}\ndone")
            }
            1 => {
                let (probe, pause, give_up) = (self.probe(), self.pause(), self.give_up(in_function));
                let operator = self.random.of(&["-ge", "-gt"]);
                let test = self.test(&format!("$(( $(date +%s) - {name} ))"), operator, &number);
                format!("{name}={now}\nuntil {probe}; do\nif {test}; then {give_up}; fi\nsleep {pause}\ndone")
            }
            2 => {
                let body = self.body(leave);
                let test = self.test(&format!("$(($(date +%s) - ${name}))"), "-le", &number);
                format!("{name}=$(date +%s)\nwhile {test}; do\n{body}\ndone")
            }
            3 => {
                // A subshell could not move the world's `SECONDS`.
                let (probe, pause) = ("nc -zw2 db 1", self.pause());
                let pause = if pause == "0.5" { "1".to_owned() } else { pause };
                let give_up = self.give_up(in_function);
                format!(
                    "{name}=$((SECONDS + {number}))\nuntil {probe}; do\nif (( SECONDS >= {name} )); then {give_up}; fi\nsleep {pause}\ndone"
                )
            }
            _ => {
                let (probe, pause) = ("nc -zw2 db 1", self.pause());
                let pause = if pause == "0.5" { "1".to_owned() } else { pause };
                format!("SECONDS=0\nwhile [ $SECONDS -lt {number} ] && ! {probe}; do sleep {pause}; done")
            }
        }
    }

    /// A pause that doubles, with and without an end to its growth.
    fn growing(&mut self) -> String {
        let (name, pause, rounds) = (self.name(), self.name(), 1 + self.random.below(6));
        let probe = self.probe();
        let most = 4 + self.random.below(10);
        let cap = if self.random.one_in(2) {
            format!("if [ ${pause} -gt {most} ]; then {pause}={most}; fi\n")
        } else {
            String::new()
        };
        let grow = self.random.of(&["*2", " * 2", "+3"]);
        format!(
            "{pause}=1\nfor {name} in $(seq {rounds}); do\n{probe} && break\nsleep ${pause}\n{pause}=$(({pause}{grow}))\n{cap}done"
        )
    }

    fn in_timeout(&mut self) -> String {
        let (span, limit, pause) = (
            3 + self.random.below(40),
            1 + self.random.below(5),
            1 + self.random.below(5),
        );
        let end = self
            .random
            .of(&["", " || exit 1", " || true", " || { echo late; exit 2; }"]);
        let unit = self.random.of(&["", "s"]);
        format!(
            "timeout {span}{unit} sh -c 'until curl -sf -m {limit} http://api/; do sleep {pause}; done'{end}"
        )
    }

    fn in_function(&mut self) -> String {
        let name = self.name();
        let body = match self.random.below(3) {
            0 => {
                // A helper that runs what it is given.
                let (count, rounds, pause) = (self.name(), self.rounds(), self.pause());
                let (step, give_up) = (self.step(&count, true), self.give_up(true));
                let probe = format!("nc -z -w {} db 5432", 1 + self.random.below(4));
                let test = self.test(&format!("${count}"), "-ge", &rounds.to_string());
                let end = self.random.of(&["", " || exit 1", " || true"]);
                return format!(
                    "{name}() {{\n{count}=0\nuntil \"$@\"; do\n{step}\nif {test}; then {give_up}; fi\nsleep {pause}\ndone\n}}\n{name} {probe}{end}"
                );
            }
            1 => {
                let body = self.loop_of(true);
                format!("{body}\nreturn 1")
            }
            _ => self.loop_of(true),
        };
        let before = std::mem::take(&mut self.before);
        let end = self.random.of(&["", " || exit 1", " || true", " && echo up"]);
        if self.random.one_in(3) {
            format!("{before}{name}() {{\n{body}\n}}\nif ! {name}; then exit 1; fi")
        } else {
            format!("{before}{name}() {{\n{body}\n}}\n{name}{end}")
        }
    }

    fn nested(&mut self) -> String {
        let (a, b) = (self.name(), self.name());
        let (outer, inner) = (1 + self.random.below(4), 1 + self.random.below(4));
        let (probe, short, long) = (self.probe(), self.pause(), self.pause());
        let leave = self.random.of(&["break 2", "break"]);
        let last = if self.random.one_in(2) {
            format!("\nsleep {long}")
        } else {
            String::new()
        };
        format!(
            "for {a} in $(seq {outer}); do\nfor {b} in $(seq {inner}); do\n{probe} && {leave}\nsleep {short}\ndone{last}\ndone"
        )
    }

    /// A flag remembers whether the service came up.
    fn with_a_flag(&mut self) -> String {
        let (flag, name, rounds) = (self.name(), self.name(), self.rounds());
        let (probe, pause) = (self.probe(), self.pause());
        let items = self.items(rounds);
        let end = match self.random.below(4) {
            0 => format!("[ \"${flag}\" = 1 ] || exit 1"),
            1 => format!("if [ ${flag} -ne 1 ]; then echo never; exit 1; fi"),
            2 => format!("if [ \"${flag}\" != \"1\" ]; then echo never >&2; fi"),
            _ => format!("[ ${flag} -eq 1 ]"),
        };
        format!(
            "{flag}=0\nfor {name} in {items}; do\nif {probe}; then\n{flag}=1\nbreak\nfi\nsleep {pause}\ndone\n{end}"
        )
    }
}
