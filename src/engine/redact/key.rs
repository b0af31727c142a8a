//! What the name of a key says of its value, and what the form of a value says of itself.

/// Bytes within which a quotation is closed, and by which a value is judged.
pub(super) const NEAR: usize = 4096;

/// What is to be hidden of the value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whatever it is.
    Secret,
    /// All but a word with which a sentence goes on: `reading password: not found`.
    Password,
    /// What looks like a secret: `failed to get secret: shop-tls` names one.
    Spoken,
    /// What looks random: most keys of that name are those of a table or a cache.
    Lookup,
    /// Everything to the end of the header.
    Header,
}

/// Ends of names whose values are secrets.
const SECRETS: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "requirepass",
    "pgpass",
    "apikey",
    "secretkey",
    "secretkeybase",
    "accesskey",
    "privatekey",
    "accesskeyid",
    "clientsecret",
    "connectionstring",
    "encryptionkey",
    "oauth2bearer",
    "rediscliauth",
];
/// Ends of names that prose uses too.
const SPOKEN: [&str; 5] = ["token", "secret", "credential", "credentials", "signature"];
/// What stands before `key` in the name of a secret one.
const SECRET_KEYS: [&str; 27] = [
    "access",
    "account",
    "admin",
    "aes",
    "api",
    "app",
    "auth",
    "cipher",
    "client",
    "cookie",
    "crypto",
    "deploy",
    "encrypt",
    "encryption",
    "hmac",
    "jwt",
    "license",
    "master",
    "private",
    "secret",
    "session",
    "shared",
    "signing",
    "storage",
    "subscription",
    "unseal",
    "webhook",
];
/// What stands before `key` in the name of one that is none: of tables, caches, queues, objects.
const PLAIN_KEYS: [&str; 28] = [
    "cache",
    "column",
    "composite",
    "config",
    "duplicate",
    "field",
    "foreign",
    "group",
    "hash",
    "host",
    "idempotency",
    "index",
    "label",
    "lock",
    "lookup",
    "map",
    "object",
    "order",
    "partition",
    "primary",
    "public",
    "queue",
    "routing",
    "row",
    "s3",
    "sort",
    "topology",
    "unique",
];
/// Words with which a sentence goes on behind `password:` or `Authorization:`.
const PROSE: [&str; 57] = [
    "a",
    "access",
    "an",
    "authentication",
    "bad",
    "cannot",
    "connection",
    "context",
    "could",
    "denied",
    "dial",
    "did",
    "does",
    "empty",
    "eof",
    "error",
    "exit",
    "expired",
    "failed",
    "failure",
    "forbidden",
    "get",
    "got",
    "has",
    "http",
    "incorrect",
    "invalid",
    "is",
    "malformed",
    "mismatch",
    "missing",
    "must",
    "nil",
    "no",
    "none",
    "not",
    "null",
    "open",
    "permission",
    "post",
    "read",
    "rejected",
    "required",
    "rpc",
    "should",
    "status",
    "the",
    "timeout",
    "too",
    "unable",
    "unauthorized",
    "undefined",
    "unexpected",
    "unknown",
    "unset",
    "was",
    "wrong",
];

/// True for a variable whose value is a secret by its name: `PGPASSWORD`, `API_TOKEN`, `DB_PASS`, `STRIPE_KEY`.
pub(in crate::engine) fn is_secret_name(name: &str) -> bool {
    !matches!(name, "PWD" | "OLDPWD" | "PASS") && matches!(kind(name), Some(kind) if kind != Kind::Header)
}

/// True for a header whose value is a secret by its name: `X-API-Key`, `Cookie`, `X-Auth`.
pub(super) fn is_secret_header(name: &str) -> bool {
    let words = ["auth", "authentication", "jwt", "assertion", "session"];
    let (_, last) = last_word(name);
    kind(name).is_some() || words.iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// What a key says of its value.
pub(super) fn kind(key: &str) -> Option<Kind> {
    if key.is_empty() || key.len() > 64 {
        return None;
    }
    let letters = key.bytes().filter(u8::is_ascii_alphanumeric).count();
    let is = |name: &&str| name.len() == letters && ends_with(key, name);
    let ends = |end: &&str| ends_with(key, end);
    let headers = ["authorization", "proxyauthorization", "cookie", "setcookie"];
    if headers.iter().any(is) {
        return Some(Kind::Header);
    }
    let (before, last) = last_word(key);
    let is_last = |word: &str| last.eq_ignore_ascii_case(word);
    if SECRETS.iter().any(ends) || is_last("pass") || is_last("pwd") {
        let is_compound = !before.is_empty();
        return Some(if is_compound { Kind::Secret } else { Kind::Password });
    }
    if is(&"sig") {
        return Some(Kind::Spoken);
    }
    if SPOKEN.iter().any(ends) {
        let is_compound = !before.is_empty() || SPOKEN.iter().all(|word| !is(word));
        return Some(if is_compound { Kind::Secret } else { Kind::Spoken });
    }
    let (_, what) = last_word(before);
    let is_one_of = |words: &[&str]| words.iter().any(|word| what.eq_ignore_ascii_case(word));
    match what {
        _ if !is_last("key") || what.is_empty() || is_one_of(&PLAIN_KEYS) => None,
        _ if is_one_of(&SECRET_KEYS) => Some(Kind::Secret),
        _ => Some(Kind::Lookup),
    }
}

/// The last word of a name and what stands before it: `DB` and `PASS`, `smtp` and `Pass`.
fn last_word(name: &str) -> (&str, &str) {
    let name = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let bytes = name.as_bytes();
    let begins = (1..bytes.len())
        .rev()
        .find(|at| {
            let (before, here) = (bytes[at - 1], bytes[*at]);
            !before.is_ascii_alphanumeric() || (before.is_ascii_lowercase() && here.is_ascii_uppercase())
        })
        .unwrap_or(0);
    let (before, last) = name.split_at_checked(begins).unwrap_or(("", name));
    (
        before.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()),
        last,
    )
}

/// As `str::ends_with`, in any case, and with regard to letters and digits alone: `X-API-Key` ends with `apikey`.
fn ends_with(name: &str, end: &str) -> bool {
    let mut letters = name.bytes().rev().filter(u8::is_ascii_alphanumeric);
    let mut wanted = end.bytes().rev();
    wanted.all(|wanted| letters.next().is_some_and(|b| b.eq_ignore_ascii_case(&wanted)))
}

/// True where a value of this kind has to be hidden.
pub(super) fn hides(kind: Kind, value: &str) -> bool {
    let value = &value[..value.floor_char_boundary(NEAR)];
    match kind {
        Kind::Secret => true,
        Kind::Password | Kind::Header => !is_prose(value),
        Kind::Spoken => looks_secret(value),
        Kind::Lookup => looks_random(value),
    }
}

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| {
        matches!(
            c,
            '"' | '\'' | '\\' | ',' | '.' | ';' | ')' | '(' | '[' | ']' | ':'
        )
    })
}

/// A word with which a sentence goes on.
pub(super) fn is_prose(word: &str) -> bool {
    PROSE.iter().any(|prose| bare(word).eq_ignore_ascii_case(prose))
}

/// A word of a sentence: `unauthorized`, `not`; no digit, no sign inside, one case.
pub(super) fn is_plain_word(word: &str) -> bool {
    let word = bare(word);
    let tail = word.get(1..).unwrap_or("");
    word.len() <= 20
        && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
        && (word.bytes().all(|b| b.is_ascii_uppercase()) || !tail.bytes().any(|b| b.is_ascii_uppercase()))
}

/// What may stand behind `token:` in a sentence and is none: a word, a number, a name, a URL, the next clause.
fn looks_secret(value: &str) -> bool {
    let word = bare(value);
    let goes_on = value.ends_with(':') || word.contains("://") || word.trim_end_matches('=').contains('=');
    let is_number = word.len() <= 3 && word.bytes().all(|b| b.is_ascii_digit());
    !(goes_on || is_number || is_plain_word(word) || is_name(word))
}

/// The name of an object, of a field, of an error: `default-token-x7k2p`, `shop/app-tls`, `ErrTokenExpired`.
fn is_name(word: &str) -> bool {
    let pieces = || word.split(['-', '_', '.', '/']);
    let several = pieces().count() > 1;
    let is_piece = |piece: &str| {
        let is_short = piece.len() <= if several { 5 } else { 3 };
        let is_word = piece.len() <= 20 && piece.bytes().all(|b| b.is_ascii_lowercase());
        let is_hash = is_short
            && piece
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        !piece.is_empty() && (is_word || is_hash || is_camel(piece))
    };
    word.len() <= 64 && pieces().all(is_piece)
}

/// Words of three letters and more, each with a capital.
fn is_camel(piece: &str) -> bool {
    let mut words = piece.split(|c: char| c.is_ascii_uppercase());
    let head = words.next().unwrap_or_default();
    piece.len() <= 40
        && piece.bytes().all(|b| b.is_ascii_alphabetic())
        && (head.is_empty() || head.len() >= 3)
        && words.all(|word| word.len() >= 2)
}

/// 12 characters and more with letters and digits, and no path or name of a file.
fn looks_random(value: &str) -> bool {
    let word = bare(value);
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    word.len() >= 12
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !word.starts_with(['/', '.', '$'])
        && !is_name(word)
}

/// True for a word that is a secret by its form.
pub(super) fn is_token(word: &str) -> bool {
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
    use super::*;

    #[test]
    fn names_of_secrets_are_told_from_their_neighbours() {
        for name in [
            "PGPASSWORD",
            "DB_PASS",
            "MYSQL_PWD",
            "smtpPass",
            "SECRET_KEY_BASE",
            "encryption_key",
            "API_TOKEN",
            "STRIPE_KEY",
            "AccountKey",
            "client-secret",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "KEY",
            "PWD",
            "OLDPWD",
            "monkey",
            "primary_key",
            "PUBLIC_KEY",
            "bypass",
            "compass",
            "secretName",
            "PASSWORD_FILE",
            "cookie",
            "host",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn behind_a_word_of_prose_only_what_looks_like_a_secret_is_one() {
        for value in ["abc123def", "hunter2x", "Xy7Kp0Qz", "s3cr3t!x", "123456"] {
            assert!(hides(Kind::Spoken, value), "{value}");
        }
        for value in [
            "not",
            "shop/app-tls",
            "\"db-credentials-2\"",
            "default-token-x7k2p",
            "x509:",
            "401",
            "ErrTokenExpired",
            "invalid_grant",
            "https://a/b",
            "StatusCode=401",
        ] {
            assert!(!hides(Kind::Spoken, value), "{value}");
        }
        assert!(hides(Kind::Password, "hunter") && !hides(Kind::Password, "missing,"));
        assert!(hides(Kind::Lookup, "sk_live_4eC39HqLyjWD") && !hides(Kind::Lookup, "/etc/tls/tls1.key"));
    }
}
