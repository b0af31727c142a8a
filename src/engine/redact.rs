//! Lines of log made safe to keep: secrets and control characters out, meaning kept.

use std::borrow::Cow;

use super::pattern::Pattern;

const HIDDEN: &str = "[redacted]";

/// Makes a line of log safe to keep and to show: secrets are replaced by `[redacted]`, control characters and
/// terminal escapes are dropped. Linear in the length of the line.
///
/// Hidden are the values of headers and keys that speak of secrets (`Authorization`, `X-API-Key`,
/// `password=`), what follows `Bearer` or `Basic`, user information in URLs, PEM blocks, and tokens that show
/// by their form: JSON web tokens, access keys, long random strings. A sentence about a secret keeps its words.
#[must_use]
pub fn redact(line: &str) -> Cow<'_, str> {
    let line = printable(line);
    if let Some(at) = line.find("-----BEGIN ") {
        return Cow::Owned(format!("{}{HIDDEN}", &line[..at]));
    }
    let hidden = hide(&line);
    match hidden {
        Some(text) => Cow::Owned(text),
        None => line,
    }
}

/// [`redact`], and what the policy's patterns match is replaced as well. Twice is once: what is hidden is not looked at
/// again.
#[must_use]
pub fn redact_with<'l>(line: &'l str, patterns: &[Pattern]) -> Cow<'l, str> {
    let mut safe = redact(line);
    for pattern in patterns {
        if let Some(text) = hide_matches(&safe, pattern) {
            safe = Cow::Owned(text);
        }
    }
    safe
}

fn hide_matches(text: &str, pattern: &Pattern) -> Option<String> {
    if !pattern.is_match(text) {
        return None;
    }
    let mut changed = false;
    let parts: Vec<Cow<'_, str>> = text
        .split(HIDDEN)
        .map(|part| match pattern.replaced(part, HIDDEN) {
            Some(hidden) => {
                changed = true;
                Cow::Owned(hidden)
            }
            None => Cow::Borrowed(part),
        })
        .collect();
    changed.then(|| parts.join(HIDDEN))
}

/// Drops ANSI escapes and control characters, tabs become spaces.
fn printable(line: &str) -> Cow<'_, str> {
    if !line.chars().any(char::is_control) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                for c in chars.by_ref() {
                    if ('\u{40}'..='\u{7e}').contains(&c) {
                        break;
                    }
                }
            }
            '\u{1b}' if chars.peek() == Some(&']') => {
                for c in chars.by_ref() {
                    if matches!(c, '\u{7}' | '\u{9c}') {
                        break;
                    }
                }
            }
            '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// What the word before says about the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Nothing,
    /// Hide the next word, whatever it is.
    Secret,
    /// Hide the next word unless it is an ordinary one.
    MaybeSecret,
    /// Hide everything to the end of the header's value.
    Header,
}

/// Walks over the words; `None` when nothing had to be hidden.
fn hide(line: &str) -> Option<String> {
    let mut out = String::new();
    let (mut changed, mut expect, mut rest) = (false, Expect::Nothing, line);
    while !rest.is_empty() {
        let blank = rest.len() - rest.trim_start_matches(' ').len();
        out.push_str(&rest[..blank]);
        rest = &rest[blank..];
        let end = rest.find(' ').unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        if word.is_empty() {
            break;
        }
        let (shown, next) = one(word, expect);
        changed |= matches!(shown, Cow::Owned(_));
        out.push_str(&shown);
        expect = next;
    }
    changed.then_some(out)
}

/// One word: what is shown of it, and what to expect of the next.
fn one(word: &str, expect: Expect) -> (Cow<'_, str>, Expect) {
    let scheme = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_scheme = ["bearer", "basic", "token", "digest"]
        .iter()
        .any(|s| scheme.eq_ignore_ascii_case(s));
    match expect {
        Expect::Header => {
            let closes = word.ends_with(['"', '\'']);
            let next = if closes { Expect::Nothing } else { Expect::Header };
            return (Cow::Owned(HIDDEN.to_owned()), next);
        }
        Expect::Secret | Expect::MaybeSecret if matches!(word, "=" | ":") => {
            return (Cow::Borrowed(word), expect);
        }
        Expect::Secret => {
            return (
                replaced(word),
                if is_scheme {
                    Expect::Secret
                } else {
                    Expect::Nothing
                },
            );
        }
        Expect::MaybeSecret if !is_plain_word(word) => return (replaced(word), Expect::Nothing),
        _ => {}
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return (Cow::Borrowed(word), Expect::Secret);
    }
    if scheme == word && scheme.eq_ignore_ascii_case("basic") {
        return (Cow::Borrowed(word), Expect::MaybeSecret);
    }
    keyed(word)
}

/// True where nothing but what was hidden before stands, whatever closes behind it.
fn is_hidden(value: &str) -> bool {
    let closing = |c: char| matches!(c, '"' | '\'' | '&' | ',' | ';' | '?' | '}' | ']' | ')');
    value
        .strip_prefix(HIDDEN)
        .is_some_and(|rest| rest.chars().all(closing))
}

/// Keeps what closes a quotation or a list.
fn replaced(word: &str) -> Cow<'_, str> {
    let value = word.trim_start_matches(['"', '\'']);
    let tail = value.trim_end_matches(['"', '\'', ',', ';', '}', ']', ')']).len();
    if is_hidden(value) {
        return Cow::Borrowed(word);
    }
    let opening = &word[..word.len() - value.len()];
    Cow::Owned(format!("{opening}{HIDDEN}{}", &value[tail..]))
}

/// A word with a key in it: `password=x`, `"token":"x"`, `X-API-Key:`, or a URL; several of them when the
/// parameters of a query follow each other.
fn keyed(word: &str) -> (Cow<'_, str>, Expect) {
    let mut out = String::new();
    let (mut changed, mut expect) = (false, Expect::Nothing);
    let mut parts = word.split_inclusive(['&', ',', ';', '?']).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let (shown, next) = pair(part, last);
        changed |= matches!(shown, Cow::Owned(_));
        out.push_str(&shown);
        expect = next;
    }
    if changed {
        (Cow::Owned(out), expect)
    } else {
        (Cow::Borrowed(word), expect)
    }
}

fn pair(part: &str, last: bool) -> (Cow<'_, str>, Expect) {
    let part = match userinfo(part) {
        Some(hidden) => return (Cow::Owned(hidden), Expect::Nothing),
        None => part,
    };
    // Keys may follow each other: `error:password=x`.
    let (mut from, mut last_key) = (0, "");
    while let Some(at) = part[from..].find(['=', ':']).map(|at| from + at) {
        let key = part[from..at].trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let kind = key_kind(key);
        if kind != Expect::Nothing {
            return value(part, at, kind, last);
        }
        (from, last_key) = (at + 1, key);
    }
    if matches!(part, "--password" | "--passwd" | "--token" | "--secret") {
        return (Cow::Borrowed(part), Expect::Secret);
    }
    let bare =
        part[from..].trim_matches(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/' | '='));
    if is_token(bare) && !last_key.ends_with("sha256") {
        let head = part.len() - part[from..].len();
        let shown = replaced(&part[from..]);
        return (Cow::Owned(format!("{}{shown}", &part[..head])), Expect::Nothing);
    }
    (Cow::Borrowed(part), Expect::Nothing)
}

/// What is shown of a part whose key, ending at `at`, speaks of a secret.
fn value(part: &str, at: usize, kind: Expect, last: bool) -> (Cow<'_, str>, Expect) {
    let value = &part[at + 1..];
    if value.trim_matches(['"', '\'']).is_empty() {
        return (Cow::Borrowed(part), if last { kind } else { Expect::Nothing });
    }
    if kind == Expect::Header {
        return (Cow::Owned(format!("{}{HIDDEN}", &part[..=at])), Expect::Header);
    }
    if part.as_bytes()[at] == b':' && kind == Expect::MaybeSecret && is_plain_word(value) {
        return (Cow::Borrowed(part), Expect::Nothing);
    }
    let tail = value
        .trim_end_matches(['&', ',', ';', '?', '"', '\'', '}', ']', ')'])
        .len();
    let head = value.len() - value.trim_start_matches(['"', '\'']).len();
    if is_hidden(&value[head.min(tail)..]) {
        return (Cow::Borrowed(part), Expect::Nothing);
    }
    let hidden = format!(
        "{}{}{HIDDEN}{}",
        &part[..=at],
        &value[..head.min(tail)],
        &value[tail..]
    );
    (Cow::Owned(hidden), Expect::Nothing)
}

/// `scheme://user:password@host` without the user information. The authority ends at the first slash.
fn userinfo(part: &str) -> Option<String> {
    let start = part.find("://")? + 3;
    let end = part[start..].find('/').map_or(part.len(), |at| start + at);
    let at = start + part[start..end].rfind('@')?;
    Some(format!("{}{HIDDEN}{}", &part[..start], &part[at..]))
}

/// What a key says of its value.
fn key_kind(key: &str) -> Expect {
    if key.is_empty() || key.len() > 64 {
        return Expect::Nothing;
    }
    let key: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    if matches!(
        key.as_str(),
        "authorization" | "proxyauthorization" | "cookie" | "setcookie"
    ) {
        return Expect::Header;
    }
    let ends = |names: &[&str]| names.iter().any(|name| key.ends_with(name));
    if ends(&[
        "password",
        "passwd",
        "passphrase",
        "pgpass",
        "apikey",
        "secretkey",
        "accesskey",
        "privatekey",
        "accesskeyid",
        "clientsecret",
    ]) || matches!(key.as_str(), "pwd" | "pass")
    {
        Expect::Secret
    } else if ends(&["token", "secret", "credential", "credentials", "signature"]) {
        Expect::MaybeSecret
    } else {
        Expect::Nothing
    }
}

/// A word of a sentence: `unauthorized`, `not`; no digit, no sign inside, one case.
fn is_plain_word(word: &str) -> bool {
    let word = word.trim_matches(|c: char| matches!(c, '"' | '\'' | ',' | '.' | ';' | ')' | '(' | ':'));
    let tail = word.get(1..).unwrap_or("");
    word.len() <= 20
        && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
        && (word.bytes().all(|b| b.is_ascii_uppercase()) || !tail.bytes().any(|b| b.is_ascii_uppercase()))
}

/// True for a word that is a secret by its form.
fn is_token(word: &str) -> bool {
    let prefixed = [
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "xoxa-",
        "sk-",
        "hvs.",
        "dckr_pat_",
        "npm_",
    ]
    .iter()
    .any(|prefix| word.len() >= prefix.len() + 16 && word.starts_with(prefix));
    let aws = ["AKIA", "ASIA"].iter().any(|prefix| word.starts_with(prefix))
        && word.len() == 20
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let jwt = word.starts_with("eyJ") && word.len() > 20 && word.bytes().filter(|b| *b == b'.').count() == 2;
    prefixed || aws || jwt || is_random(word)
}

/// 40 characters and more of base64 with both cases and digits: no path, no digest, no sentence.
fn is_random(word: &str) -> bool {
    let body = word.trim_end_matches('=');
    body.len() >= 40
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'_' | b'-'))
        && body.bytes().filter(|b| matches!(b, b'/' | b'-' | b'_')).count() <= body.len() / 12
        && body.bytes().any(|b| b.is_ascii_digit())
        && body.bytes().any(|b| b.is_ascii_uppercase())
        && body.bytes().any(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_hidden() {
        for (line, expected) in [
            (
                "Authorization: Bearer abc.def",
                "Authorization: [redacted] [redacted]",
            ),
            ("> X-API-Key: s3cr3t", "> X-API-Key: [redacted]"),
            (
                "curl -H 'X-API-Key: s3cr3t' http://x",
                "curl -H 'X-API-Key: [redacted]' http://x",
            ),
            (
                "curl -H \"Authorization: token abcdef\" http://x",
                "curl -H \"Authorization: [redacted] [redacted] http://x",
            ),
            ("password=hunter2 user=app", "password=[redacted] user=app"),
            ("PGPASSWORD=hunter2", "PGPASSWORD=[redacted]"),
            ("error:password=hunter2", "error:password=[redacted]"),
            ("password: hunter2", "password: [redacted]"),
            (
                "--password hunter2 --user app",
                "--password [redacted] --user app",
            ),
            (
                r#"{"token":"abc123","name":"x"}"#,
                r#"{"token":"[redacted]","name":"x"}"#,
            ),
            (
                r#"{"token": "abc123", "name": "x"}"#,
                r#"{"token": "[redacted]", "name": "x"}"#,
            ),
            (
                "GET /x?access_token=abc123&page=2",
                "GET /x?access_token=[redacted]&page=2",
            ),
            (
                "postgres://app:hunter2@db:5432/app",
                "postgres://[redacted]@db:5432/app",
            ),
            ("using Bearer abc123def", "using Bearer [redacted]"),
            ("key AKIAABCDEFGHIJKLMNOP here", "key [redacted] here"),
            ("got eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl", "got [redacted]"),
            ("-----BEGIN RSA PRIVATE KEY-----", "[redacted]"),
            ("MIIEpAIBAAKCAQEA7bq0Ty2Rr5mKq8vJx1zW3nYc4Zs9Lp0aQ", "[redacted]"),
            ("ghp_0123456789abcdefghij", "[redacted]"),
        ] {
            assert_eq!(redact(line), expected, "{line}");
        }
    }

    #[test]
    fn what_tells_the_cause_stays() {
        for line in [
            "waiting for gitea api (12/168)",
            "curl: (7) Failed to connect to powerdns port 8081",
            "MountVolume.SetUp failed for volume \"s\" : secret \"nosuch\" not found",
            "failed to get token: unauthorized",
            "secrets \"x\" is forbidden: User \"system:serviceaccount:a:b\" cannot get resource",
            "FATAL: password authentication failed for user \"app\"",
            "image registry.example/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "http://gitea-http.gitea.svc.cluster.local:3000/api/v1/version",
            "basic auth is off",
        ] {
            assert!(
                matches!(redact(line), Cow::Borrowed(same) if same == line),
                "{line}: {}",
                redact(line)
            );
        }
    }

    #[test]
    fn what_a_pattern_of_the_policy_matches_is_hidden_as_well() {
        let patterns: Vec<Pattern> = ["customer-[0-9]+", "[a-z]+ed"]
            .map(|p| Pattern::new(p).expect(p))
            .to_vec();
        for (line, expected) in [
            (
                "customer-47 failed: password=x",
                "[redacted] [redacted]: password=[redacted]",
            ),
            ("nothing of the kind", "nothing of the kind"),
            ("customer-47customer-48", "[redacted][redacted]"),
        ] {
            let once = redact_with(line, &patterns).into_owned();
            assert_eq!(once, expected);
            assert_eq!(redact_with(&once, &patterns), once, "twice is once");
        }
        let line = "nothing of the kind";
        assert!(matches!(redact_with(line, &patterns), Cow::Borrowed(same) if std::ptr::eq(same, line)));
    }

    #[test]
    fn control_characters_go() {
        assert_eq!(redact("\u{1b}[31mred\u{1b}[0m\ttext\u{7}\r"), "red text");
        assert_eq!(redact("\u{1b}]0;title\u{7}x"), "x");
    }

    proptest! {
        #[test]
        fn no_line_makes_it_fall_and_twice_is_once(line in ".{0,120}") {
            let once = redact(&line).into_owned();
            prop_assert!(!once.chars().any(char::is_control));
            prop_assert_eq!(redact(&once).into_owned(), once);
        }

        #[test]
        fn a_password_never_gets_through(secret in "[a-zA-Z0-9]{6,30}", head in "[a-z ]{0,20}") {
            prop_assume!(!head.contains(&secret) && !"[redacted]".contains(&secret));
            for line in [
                format!("{head} password={secret}"),
                format!("{head} Authorization: Bearer {secret}"),
                format!("{head} https://u:{secret}@h/x"),
                format!("{head} X-API-Key: {secret} more"),
            ] {
                prop_assert!(!redact(&line).contains(&secret), "{}", redact(&line));
            }
        }
    }

    #[test]
    fn a_long_line_takes_linear_time() {
        let line = "password=x token: eyJ.a.b @://".repeat(40_000);
        assert!(!redact(&line).contains("=x"));
    }
}
