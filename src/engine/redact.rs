//! Lines of log made safe to keep: secrets and control characters out, meaning kept.

use std::borrow::Cow;

use super::pattern::Pattern;
use super::pem;
use super::printable::printable;

mod key;
mod walk;

pub(super) use key::is_secret_name;
use walk::hide;

/// What stands for a secret.
pub(crate) const HIDDEN: &str = "[redacted]";

/// Makes a line of log safe to keep and to show: secrets are replaced by `[redacted]`, control characters and
/// terminal escapes are dropped. Linear in the length of the line.
///
/// Hidden are the values of headers, keys and flags that speak of secrets (`Authorization`, `X-API-Key`,
/// `password=`, `--api-key`), to the end of the word or of the quotation, what follows `Bearer` or `Basic`, user information in URLs and before hosts, PEM blocks and what is
/// left of them, and tokens that show by their form: JSON web tokens, access keys, long random strings. A sentence
/// about a secret keeps its words. Of a block over several lines of a log each line is a text of its own:
/// [`pem::PemBlock`].
#[must_use]
pub fn redact(line: &str) -> Cow<'_, str> {
    let line = printable(line);
    let line = match pem::without(&line) {
        Some(text) => Cow::Owned(text),
        None => line,
    };
    match hide(&line, |_, shown| shown.to_owned()) {
        Some(text) => Cow::Owned(text),
        None => line,
    }
}

/// The text with an asterisk for each byte of a secret: every place in it stays where it is.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut block = pem::PemBlock::default();
    let mut changed = false;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (body, end) = line.split_at(line.trim_end_matches(['\r', '\n']).len());
        let part = block.next(body);
        let hidden = if part == pem::PemLine::Inside {
            Some(asterisks(body, ""))
        } else if let Some(begins) = body.find(pem::BEGIN) {
            let head = hide(&body[..begins], asterisks);
            let head = head.as_deref().unwrap_or(&body[..begins]);
            Some(head.to_owned() + &asterisks(&body[begins..], ""))
        } else {
            hide(body, asterisks)
        };
        changed |= hidden.is_some();
        out.push_str(hidden.as_deref().unwrap_or(body));
        out.push_str(end);
    }
    if changed {
        Cow::Owned(out)
    } else {
        Cow::Borrowed(text)
    }
}

/// A word with asterisks in the place of what is not shown of it.
fn asterisks(word: &str, shown: &str) -> String {
    let alike = |mut of: Box<dyn Iterator<Item = (char, char)> + '_>| -> usize {
        let mut bytes = 0;
        while let Some((c, _)) = of.next().filter(|(a, b)| a == b) {
            bytes += c.len_utf8();
        }
        bytes
    };
    let head = alike(Box::new(word.chars().zip(shown.chars())));
    let (rest, shown) = (&word[head..], &shown[head..]);
    let tail = alike(Box::new(rest.chars().rev().zip(shown.chars().rev())));
    let hidden = rest.len() - tail;
    // A script that names a variable shows nothing of its value.
    let mut names = rest[..hidden].trim_start_matches(['"', '\'']).chars();
    if names.next() == Some('$')
        && names
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || "_{(".contains(c))
    {
        return word.to_owned();
    }
    format!("{}{}{}", &word[..head], "*".repeat(hidden), &rest[hidden..])
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table of forms")]
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
                "curl -H \"Authorization: [redacted] [redacted]\" http://x",
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
            (r#"{"token":"abcdef"}"#, r#"{"token":"[redacted]"}"#),
            (
                "mysql: app:hunter2@tcp(db:3306)/shop refused",
                "mysql: [redacted]@tcp(db:3306)/shop refused",
            ),
            (
                "image \"robot:hunter2@registry.example/app:1.2\"",
                "image \"[redacted]@registry.example/app:1.2\"",
            ),
            ("curl -u admin:hunter2 http://x", "curl -u [redacted] http://x"),
            ("DB_PASS=x", "DB_PASS=[redacted]"),
            ("MYSQL_PWD=x y", "MYSQL_PWD=[redacted] y"),
            ("SMTP_PASS: x", "SMTP_PASS: [redacted]"),
            ("SECRET_KEY_BASE=x", "SECRET_KEY_BASE=[redacted]"),
            ("encryption_key=x", "encryption_key=[redacted]"),
            ("run --api-key x --dry", "run --api-key [redacted] --dry"),
            ("--client-secret 'a b' -v", "--client-secret '[redacted]' -v"),
            ("--db-password x", "--db-password [redacted]"),
            ("curl --user=a:x http://y", "curl --user=[redacted] http://y"),
            (
                r#"{"password" : "x y", "a": 1}"#,
                r#"{"password" : "[redacted]", "a": 1}"#,
            ),
            ("password => x", "password => [redacted]"),
            (r#":password=>"x", :a=>1"#, r#":password=>"[redacted]", :a=>1"#),
            (
                "http://h/x?a=1&sig=ab%2Fc%3D&b=2",
                "http://h/x?a=1&sig=[redacted]&b=2",
            ),
            ("PGPASSWORD=Xy7;rest psql", "PGPASSWORD=[redacted] psql"),
            (
                r#"{"password":"p?rest","a":"b"}"#,
                r#"{"password":"[redacted]","a":"b"}"#,
            ),
            (
                r#"{\"password\":\"p w\",\"a\":1}"#,
                r#"{\"password\":\"[redacted]\",\"a\":1}"#,
            ),
            ("password: 'a rest' then", "password: '[redacted]' then"),
            (
                "postgres://app:a&pw@db refused",
                "postgres://[redacted]@db refused",
            ),
            (
                "parse \"postgres://app:pa/pw@db\": invalid port",
                "parse \"postgres://[redacted]@db\": invalid port",
            ),
            (
                "http://u:a@b?c@h/x?token=y",
                "http://[redacted]@h/x?token=[redacted]",
            ),
            ("token: abc123def", "token: [redacted]"),
            ("client_secret: abcdef", "client_secret: [redacted]"),
        ] {
            assert_eq!(redact(line), expected, "{line}");
            assert_eq!(redact(expected), expected, "twice is once: {line}");
        }
    }

    #[test]
    fn a_masked_text_has_everything_in_its_place() {
        for (text, expected) in [
            ("  - password=hunter2 # é\n", "  - password=******* # é\n"),
            ("a: http://u:pw@host:80/x?b=c", "a: http://****@host:80/x?b=c"),
            (
                "k: |\n  -----BEGIN X-----\n  q8w=\n",
                "k: |\n  *****************\n******\n",
            ),
            ("Authorization: Bearer ünï", "Authorization: ****** *****"),
            (
                "-H \"X-API-Key: $API_KEY\" --password ${PW}",
                "-H \"X-API-Key: $API_KEY\" --password ${PW}",
            ),
        ] {
            let masked = masked(text);
            assert_eq!(masked.len(), text.len());
            assert_eq!(masked, expected);
        }
        assert!(matches!(masked("image: a:1\n"), Cow::Borrowed(_)));
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
            "registry.example:5000/app:1.2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "app:1.2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "mail to team@example.org bounced",
            "chown -u nobody /data",
            "--- PASS: TestX (0.01s)",
            "waiting for token: not found",
            "failed to get secret: shop-tls",
            "failed to get secret: \"pdns-pg-app\" not found",
            "reading password: not found",
            "cookie: missing, got 401",
            "Authorization: missing, got 401",
            "failed to verify signature: x509: certificate signed by unknown authority",
            "failed to fetch anonymous token: unexpected status: 401 Unauthorized",
            "key=value monkey=x primary_key=17 PUBLIC_KEY=abc",
            "duplicate key value violates unique constraint \"users_pkey\"",
            "PWD=/app",
            "docker run --user 1000:1000 a",
            r#"{"level":"info","mail":"a@b.c","token":null}"#,
            "http://registry:5000/v2/@scope/app@1.2",
            r#"{"url":"http://dns:8081","mail":"x@y"}"#,
            "password=\"\" user=x",
            "registry:5000/org/app@v1",
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

    proptest! {
        #[test]
        fn no_line_makes_it_fall_and_twice_is_once(line in ".{0,120}") {
            let once = redact(&line).into_owned();
            prop_assert!(!once.chars().any(char::is_control));
            prop_assert_eq!(redact(&once).into_owned(), once);
        }

        #[test]
        fn a_password_never_gets_through(
            secret in "[a-zA-Z][a-zA-Z0-9!#$%&*+,./:;<=>?@^_|~-]{5,28}[a-zA-Z0-9]",
            head in "[a-z ]{0,20}",
        ) {
            for template in [
                "password=SECRET",
                "PGPASSWORD=SECRET psql",
                "SMTP_PASS: SECRET",
                "Authorization: Bearer SECRET",
                "https://u:SECRET@h/x",
                "postgres://u:SECRET@h",
                "X-API-Key: SECRET more",
                "{\"password\":\"SECRET\",\"a\":1}",
                "{\"password\": \"SECRET\", \"a\": 1}",
                "--db-password SECRET --dry",
                "password = SECRET",
                "password='SECRET and SECRET'",
                "curl -u a:SECRET",
                "curl --user=a:SECRET",
            ] {
                let line = format!("{head} {}", template.replace("SECRET", &secret));
                let shown = redact(&line).into_owned();
                for part in secret.as_bytes().windows(4).filter_map(|part| std::str::from_utf8(part).ok()) {
                    let is_chance = head.contains(part) || template.contains(part) || HIDDEN.contains(part);
                    prop_assert!(is_chance || !shown.contains(part), "{line}: {shown}");
                }
                prop_assert_eq!(redact(&shown).into_owned(), shown);
            }
        }
    }

    #[test]
    fn a_long_line_takes_linear_time() {
        let line = "password=x token: eyJ.a.b @://".repeat(40_000);
        assert!(!redact(&line).contains("=x"));
        let word = r#"token:"x\",a:b","#.repeat(40_000);
        assert!(!redact(&word).contains('x'));
    }
}
