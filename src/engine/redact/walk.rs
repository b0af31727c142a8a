//! The walk over the words of a line that finds its secrets.

use super::HIDDEN;
use super::command::Command;
use super::flag;
use super::key::{Kind, NEAR, hides, is_plain_word, is_prose, is_token, kind};

/// What the word before says about the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Expect {
    #[default]
    Nothing,
    /// The value of a key of this kind.
    Value(Kind),
    /// What follows `Basic`: hidden unless it is a word.
    Coded,
    /// A name and a password.
    UserAndPassword,
    /// What is left of the value of a header.
    Header,
    /// A header, name and value.
    HeaderLine,
}

/// What stands between the elements of a list without spaces.
const ELEMENTS: &str = "\",\"";
/// The same before a flag, or before what was hidden: other lists are read as one word.
const FLAGS_OF_LISTS: [&str; 2] = ["\",\"-", "\",\"["];

/// The next bytes of a line: how many, what is shown of them (`None`: they themselves), what to expect behind them.
pub(super) type Step = (usize, Option<String>, Expect);

/// A walk over the words of a text, line by line.
#[derive(Default)]
pub(super) struct Walk {
    expect: Expect,
    command: Command,
    /// True where a command may go on in the next line.
    pub(super) goes_on: bool,
}

impl Walk {
    /// Walks over a line; `None` when nothing had to be hidden. `instead` makes of a text, and of what may be shown of
    /// it, what is put in its place.
    pub(super) fn hide(&mut self, line: &str, instead: impl Fn(&str, &str) -> String) -> Option<String> {
        // Most lines hold no secret, and cost no allocation.
        let mut out = String::new();
        let is_list = FLAGS_OF_LISTS.iter().any(|flag| line.contains(flag));
        let (mut copied, mut at, mut gap, mut ends) = (0, 0, 0, 0);
        // Commands are read as they are shown, so that a second walk reads the same.
        let mut read = 0;
        let unread = |out: &str, copied: usize, at: usize, read: &mut usize| {
            let text = [
                &out[out.len().min(*read)..],
                &line[copied + read.saturating_sub(out.len())..at],
            ]
            .concat();
            *read += text.len();
            text
        };
        while at < line.len() {
            if line.as_bytes()[at] == b' ' {
                at += 1;
                continue;
            }
            let is_new = at >= ends || line.as_bytes()[..at].ends_with(b" ");
            if is_new {
                if at >= gap {
                    gap = at + word_of(&line[at..]).len();
                }
                let element = is_list.then(|| line[at..gap].find(ELEMENTS)).flatten();
                ends = element.map_or(gap, |quote| at + quote + 2);
            }
            let (rest, word) = (&line[at..], &line[at..ends]);
            let known = || expected(rest, word, self.expect);
            let mut step = is_new.then(known).flatten();
            if is_new && step.is_none() && flag::may_be_one(word) {
                step = flag::header(rest, word).or_else(|| {
                    let flag = flag::Flag::of(word)?;
                    self.command.read(&unread(&out, copied, at, &mut read));
                    flag.step(rest, word, &self.command)
                });
            }
            let (len, shown, next) = step.unwrap_or_else(|| keyed(rest, word, is_new));
            let behind = at + len.max(1);
            if let Some(shown) = shown.filter(|shown| *shown != line[at..behind]) {
                out.push_str(&line[copied..at]);
                out.push_str(&instead(&line[at..behind], &shown));
                copied = behind;
            }
            (at, self.expect) = (behind, next);
        }
        if self.goes_on {
            self.command.read(&unread(&out, copied, line.len(), &mut read));
        }
        (copied > 0).then(|| out + &line[copied..])
    }
}

fn word_of(text: &str) -> &str {
    &text[..text.find(' ').unwrap_or(text.len())]
}

/// A word of which the one before said something.
fn expected(rest: &str, word: &str, expect: Expect) -> Option<Step> {
    let whole = |next| Some((word.len(), Some(replaced(word)), next));
    match expect {
        Expect::Nothing => None,
        // The backslash is that of a command over several lines.
        _ if matches!(word, "=" | ":" | "=>" | ":=" | "\\") => Some((word.len(), None, expect)),
        Expect::HeaderLine => flag::header_line(rest),
        Expect::Value(Kind::Header) | Expect::Header => {
            if expect != Expect::Header && is_prose(word) {
                return None;
            }
            let quotes = word.bytes().filter(|b| matches!(b, b'"' | b'\'')).count();
            let ended = word.trim_end_matches([',', ']', ')', '}']);
            let closes = ended.ends_with(['"', '\'']) && quotes % 2 == 1;
            whole(if closes { Expect::Nothing } else { Expect::Header })
        }
        Expect::Value(kind) => {
            let quoted = quotation(rest);
            if !hides(kind, quoted.map_or(word, |range| &rest[range.0..range.1])) {
                return None;
            }
            match quoted {
                Some((from, to)) if to > from => {
                    Some((to, Some(format!("{}{HIDDEN}", &rest[..from])), Expect::Nothing))
                }
                Some((_, to)) => Some((to, None, Expect::Nothing)),
                None if is_scheme(word) => whole(expect),
                // The next flag.
                None if word.starts_with("--") => None,
                None => whole(Expect::Nothing),
            }
        }
        Expect::Coded if is_plain_word(word) => None,
        Expect::Coded => whole(Expect::Nothing),
        Expect::UserAndPassword => match quotation(rest) {
            Some((from, to)) if is_user_and_password(&rest[from..to]) => {
                Some((to, Some(format!("{}{HIDDEN}", &rest[..from])), Expect::Nothing))
            }
            None if is_user_and_password(word) => whole(Expect::Nothing),
            _ => None,
        },
    }
}

/// `Bearer` and its like, with whatever stands around it.
fn is_scheme(word: &str) -> bool {
    let scheme = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    ["bearer", "basic", "token", "digest"]
        .iter()
        .any(|s| scheme.eq_ignore_ascii_case(s))
}

/// `app:hunter2`, and no numbers of a user and a group, no name of the cluster's own.
pub(super) fn is_user_and_password(word: &str) -> bool {
    let word = &word[..word.floor_char_boundary(NEAR)];
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    word.split_once(':').is_some_and(|(user, password)| {
        let is_of_numbers = is_number(user) && is_number(password);
        let is_url = user.starts_with("http") && password.starts_with("//");
        !password.is_empty() && !is_of_numbers && !is_url && user != "system"
    })
}

/// Where a quotation at the beginning of the text has its inside. One that nobody closes goes to the end.
pub(super) fn quotation(text: &str) -> Option<(usize, usize)> {
    let quote = ["\\\"", "\\'", "\"", "'"]
        .into_iter()
        .find(|quote| text.starts_with(quote))?;
    let from = quote.len();
    let closes = |at: &usize| {
        let (before, behind) = (&text[..*at], &text[at + quote.len()..]);
        !before.ends_with('\\')
            && behind
                .chars()
                .next()
                .is_none_or(|c| " ,;&}])>:.\\\"'|".contains(c))
    };
    let near = &text[..text.floor_char_boundary(NEAR)];
    let closing = near[from..].match_indices(quote).map(|(at, _)| from + at);
    Some((from, closing.into_iter().find(closes).unwrap_or(text.len())))
}

/// True where nothing but what was hidden before stands, whatever closes behind it.
pub(super) fn is_hidden(value: &str) -> bool {
    let closing = |c: char| matches!(c, '\\' | '"' | '\'' | '&' | ',' | ';' | '?' | '}' | ']' | ')');
    value
        .strip_prefix(HIDDEN)
        .is_some_and(|rest| rest.chars().all(closing))
}

/// Keeps what closes a quotation or a list.
pub(super) fn replaced(word: &str) -> String {
    let value = word.trim_start_matches(['"', '\'']);
    let tail = value.trim_end_matches(['"', '\'', ',', ';', '}', ']', ')']).len();
    if value.is_empty() || is_hidden(value) {
        return word.to_owned();
    }
    let opening = &word[..word.len() - value.len()];
    format!("{opening}{HIDDEN}{}", &value[tail..])
}

/// Up to the end of the first secret of a word, or of the word: `password=x`, `"token":"x"`, `X-API-Key:`, a URL.
fn keyed(rest: &str, word: &str, is_new: bool) -> Step {
    let key = first_key(rest, word);
    // What stands behind the sign of a key is its value, whatever it looks like.
    let before = key.map_or(word.len(), |key| key.sign);
    let user = if is_new { user_of(word, before) } else { None };
    if let Some((from, to)) = token(&word[..user.map_or(before, |(from, _)| from)]).or(user) {
        return (to, Some(format!("{}{HIDDEN}", &word[..from])), Expect::Nothing);
    }
    match key {
        Some(key) => value(rest, word, key),
        None if is_new => (word.len(), None, spoken(&rest[word.len()..], word)),
        None => (word.len(), None, Expect::Nothing),
    }
}

/// What a word without a sign says of the next one.
fn spoken(behind: &str, word: &str) -> Expect {
    let word = flag::bare(word, behind.is_empty());
    let name = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let next = word_of(behind.trim_start_matches(' '));
    if name.eq_ignore_ascii_case("bearer") {
        let goes_on = ["token", "auth", "realm="]
            .iter()
            .any(|prose| next.starts_with(prose));
        return if goes_on {
            Expect::Nothing
        } else {
            Expect::Value(Kind::Password)
        };
    }
    if name == word && name.eq_ignore_ascii_case("basic") {
        return Expect::Coded;
    }
    // curl and wget of a name and a password.
    if matches!(word, "-u" | "--user" | "--proxy-user") {
        return Expect::UserAndPassword;
    }
    if flag::is_of_header(word) {
        return Expect::HeaderLine;
    }
    let is_flag = word.len() > 3 && word.starts_with('-') && name == word.trim_start_matches('-');
    let has_sign = matches!(next, "=" | ":" | "=>" | ":=");
    match kind(name) {
        Some(Kind::Lookup) if is_flag || has_sign => Expect::Value(Kind::Lookup),
        Some(_) if is_flag => Expect::Value(Kind::Secret),
        Some(Kind::Header) | None => Expect::Nothing,
        Some(_) if has_sign && (next != ":" || word.ends_with('"')) => Expect::Value(Kind::Secret),
        Some(kind) if has_sign => Expect::Value(kind),
        Some(_) => Expect::Nothing,
    }
}

/// A key that speaks of a secret.
#[derive(Clone, Copy)]
struct Key {
    /// Where the sign behind it stands, and where its value begins.
    sign: usize,
    value: usize,
    kind: Kind,
    is_quoted: bool,
    /// A parameter of a URL or of a form: the next one follows behind `&`.
    is_parameter: bool,
}

/// Keys may follow each other: `error:password=x`.
fn first_key(rest: &str, word: &str) -> Option<Key> {
    let mut from = 0;
    while let Some(sign) = word[from..].find(['=', ':']).map(|at| from + at) {
        let found = key_at(rest, word, from, sign);
        if found.is_some() {
            return found;
        }
        from = sign + 1;
    }
    None
}

fn key_at(rest: &str, word: &str, from: usize, sign: usize) -> Option<Key> {
    let before = &word[from..sign];
    let ended = before.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name = &ended[ended.trim_end_matches(is_of_name).len()..];
    let lead = &word[..from + ended.len() - name.len()];
    let is_flag = matches!(name, "--user" | "--proxy-user") && lead.trim_matches(['"', '\'']).is_empty();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let behind = &word[sign + 1..];
    let is_assigned = word.as_bytes()[sign] == b'=' || behind.starts_with('=');
    let skipped = usize::from(
        (word.as_bytes()[sign] == b'=' && behind.starts_with('>'))
            || (!behind.is_empty() && behind.starts_with('=')),
    );
    let value = sign + 1 + skipped;
    let is_quoted = before.ends_with(['"', '\'']);
    let said = if is_flag {
        is_user_and_password(&word[value..]).then_some(Kind::Secret)?
    } else {
        kind(name)?
    };
    let is_last = value >= word.len();
    let kind = match said {
        // A test that went well, and the working directory.
        _ if name == "PASS" && !is_assigned && is_last => return None,
        _ if name == "PWD" && word[value..].starts_with('/') => return None,
        Kind::Password | Kind::Spoken if is_quoted || is_assigned => Kind::Secret,
        Kind::Password if !is_last => Kind::Secret,
        kind => kind,
    };
    let shown = match quotation(&rest[value..]) {
        Some((from, to)) => &rest[value + from..value + to],
        None => &word[value..],
    };
    let is_nothing = is_quoted && matches!(literal(shown), "null" | "true" | "false");
    // A value that has to be hidden, or one that is still to come.
    (is_last || (!is_nothing && hides(kind, shown))).then_some(Key {
        sign,
        value,
        kind,
        is_quoted,
        is_parameter: lead.ends_with(['?', '&']),
    })
}

/// What stands without quotes in JSON.
fn literal(text: &str) -> &str {
    text.split([',', '}', ']']).next().unwrap_or_default()
}

/// What is shown up to the end of the value of a key.
fn value(rest: &str, word: &str, key: Key) -> Step {
    let (head, text) = rest.split_at(key.value);
    if key.value >= word.len() {
        return (word.len(), None, Expect::Value(key.kind));
    }
    if let Some((from, to)) = quotation(text) {
        let shown = (to > from).then(|| format!("{head}{}{HIDDEN}", &text[..from]));
        return (key.value + to, shown, Expect::Nothing);
    }
    let text = &word[key.value..];
    if key.kind == Kind::Header {
        return (
            word.len(),
            Some(format!("{head}{}", replaced(text))),
            Expect::Header,
        );
    }
    let text = match () {
        () if key.is_parameter => text.split(['&', '"']).next().unwrap_or_default(),
        () if key.is_quoted => literal(text),
        () => text,
    };
    let closing = |c: char| match c {
        '}' => word[..key.sign].contains('{'),
        ')' => word[..key.sign].contains('('),
        ']' => word[..key.sign].contains('['),
        _ => matches!(c, '"' | '\'' | ',' | ';' | '\\'),
    };
    let end = text.trim_end_matches(closing).len();
    let shown = (end > 0 && !is_hidden(text)).then(|| format!("{head}{HIDDEN}"));
    let len = key.value + if is_hidden(text) { text.len() } else { end };
    (len, shown, Expect::Nothing)
}

/// Where the first secret by its form stands.
fn token(text: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    for piece in text.split_inclusive([
        '&', ',', ';', '?', '=', ':', '"', '\'', '(', ')', '<', '>', '{', '}', '[', ']',
    ]) {
        let bare = piece.trim_matches(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/'));
        let is_digest = text[..at]
            .get(at.saturating_sub(7)..)
            .is_some_and(|name| name.eq_ignore_ascii_case("sha256:"));
        if !is_digest && is_token(bare) {
            let from = at + piece.find(bare).unwrap_or(0);
            let to = from + bare.len();
            let padding = text[to..].len() - text[to..].trim_start_matches('=').len();
            return Some((from, to + padding));
        }
        at += piece.len();
    }
    None
}

/// Where the user information of a word stands that begins before `limit`: in a URL, or before a host.
fn user_of(word: &str, limit: usize) -> Option<(usize, usize)> {
    let found = if word.contains("://") {
        userinfo(word)
    } else {
        user_and_password(word, limit)
    };
    found.filter(|(from, to)| *from <= limit && !is_hidden(&word[*from..*to]))
}

/// `scheme://user:password@host`. A password may have in it what ends an authority, and `@`.
fn userinfo(word: &str) -> Option<(usize, usize)> {
    let from = word.find("://")? + 3;
    let url = &word[from..];
    let url = &url[..url.find('"').unwrap_or(url.len())];
    let to = url.rfind('@')?;
    let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
    let behind_address = authority.rsplit_once(']').map_or(authority, |(_, behind)| behind);
    let port = behind_address.split_once(':').map_or("", |(_, port)| port);
    // Behind a sound host the sign belongs to a path, a parameter, a digest.
    let is_host = !authority.contains('@') && port.bytes().all(|b| b.is_ascii_digit());
    (!is_host).then_some((from, from + to))
}

/// `user:password@host`. `image:tag@sha256:..` is a digest and no host.
/// The sign of a key at `limit` or behind it belongs to the password, one before the password names it.
fn user_and_password(word: &str, limit: usize) -> Option<(usize, usize)> {
    let is_digest = |host: &str| ["sha256:", "sha512:"].iter().any(|name| host.starts_with(name));
    let to = word
        .rmatch_indices('@')
        .map(|(at, _)| at)
        .find(|at| !is_digest(&word[at + 1..]))?;
    let host = &word[to + 1..];
    let opened = [":\"", "=\"", ",\"", "='"]
        .iter()
        .filter_map(|sign| word[..to].rfind(sign).map(|at| at + sign.len()))
        .max()
        .unwrap_or(0);
    let begins = word[opened..to].trim_start_matches(['"', '\'', '(', '=']);
    let from = to - begins.len();
    let (user, password) = begins.split_once(':')?;
    let is_path = password.contains('/') && !host.contains(['(', ':', '/']);
    let is_port = password
        .split('/')
        .next()
        .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()) && password.contains('/'));
    let is_reference = ["mailto", "npm", "pkg", "workspace"].contains(&user) || user.contains('/');
    let is_keyed = from + user.len() >= limit;
    let is_one =
        !is_keyed && !is_path && !is_port && !is_reference && !password.is_empty() && !host.is_empty();
    is_one.then_some((from, to))
}
