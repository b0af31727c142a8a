//! Lines of log made safe to keep: secrets and control characters out, meaning kept.

use std::borrow::Cow;

use super::pattern::Pattern;
use super::pem;
use super::printable::printable;

mod command;
mod flag;
mod key;
mod mask;
mod walk;

pub(super) use key::is_secret_name;
pub use mask::masked;
use walk::Walk;

/// What stands for a secret.
pub(crate) const HIDDEN: &str = "[redacted]";

/// Makes a line of log safe to keep and to show: secrets are replaced by `[redacted]`, control characters and
/// terminal escapes are dropped. Linear in the length of the line.
///
/// Hidden are the values of headers, keys and flags that speak of secrets (`Authorization`, `X-API-Key`,
/// `password=`, `--api-key`), to the end of the word or of the quotation, flags that are secrets of their program
/// (`mysql -phunter2`, `redis-cli -a hunter2`), what follows `Bearer` or `Basic`, user information in URLs and before
/// hosts, PEM blocks and what is left of them, and tokens that show by their form: JSON web tokens, access keys, long
/// random strings. A sentence about a secret keeps its words. Of a block over several lines of a log each line is a
/// text of its own: [`pem::PemBlock`].
#[must_use]
pub fn redact(line: &str) -> Cow<'_, str> {
    let line = printable(line);
    let line = match pem::without(&line) {
        Some(text) => Cow::Owned(text),
        None => line,
    };
    match Walk::default().hide(&line, |_, shown| shown.to_owned()) {
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
                "curl -H \"Authorization: [redacted]\" http://x",
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
    #[expect(clippy::too_many_lines, reason = "one table of forms")]
    fn secrets_on_command_lines_are_hidden() {
        for (line, expected) in [
            (
                "mysql -h db -u root -phunter2 shop",
                "mysql -h db -u root -p[redacted] shop",
            ),
            ("+ mysqldump -p'a b' shop", "+ mysqldump -p'[redacted]' shop"),
            (
                "until /usr/bin/mariadb-admin -p\"$PW\" ping; do",
                "until /usr/bin/mariadb-admin -p\"[redacted]\" ping; do",
            ),
            (
                "mysql -e 'a; b | c' -phunter2",
                "mysql -e 'a; b | c' -p[redacted]",
            ),
            (
                "mysql -pa -e 'b' && mysql -pc",
                "mysql -p[redacted] -e 'b' && mysql -p[redacted]",
            ),
            (
                "exec \"sh -c \\\"mysqladmin ping -phunter2\\\"\" failed",
                "exec \"sh -c \\\"mysqladmin ping -p[redacted]\"\" failed",
            ),
            (
                "[\"mysql\", \"-phunter2\", \"shop\"]",
                "[\"mysql\", \"-p[redacted]\", \"shop\"]",
            ),
            (
                "[\"mysql\",\"-pa b\",\"shop\"]",
                "[\"mysql\",\"-p[redacted]\",\"shop\"]",
            ),
            (
                "mysql: unknown option '-phunter2'",
                "mysql: unknown option '-p[redacted]'",
            ),
            (
                "redis-cli -h db -a hunter2 ping",
                "redis-cli -h db -a [redacted] ping",
            ),
            ("redis-cli -a 'a b' ping", "redis-cli -a '[redacted]' ping"),
            (
                "[\"redis-cli\",\"-a\",\"hunter2\"]",
                "[\"redis-cli\",\"-a\",\"[redacted]\"]",
            ),
            ("REDISCLI_AUTH=x redis-cli", "REDISCLI_AUTH=[redacted] redis-cli"),
            (
                "mongosh -u a -p hunter2 --quiet",
                "mongosh -u a -p [redacted] --quiet",
            ),
            (
                "sshpass -phunter2 ssh -p2222 a",
                "sshpass -p[redacted] ssh -p[redacted] a",
            ),
            (
                "docker login -u a -p hunter2 r.example",
                "docker login -u a -p [redacted] r.example",
            ),
            (
                "sqlcmd -S db -P hunter2 -Q 'x'",
                "sqlcmd -S db -P [redacted] -Q 'x'",
            ),
            (
                "ldapsearch -D cn=a -w hunter2",
                "ldapsearch -D cn=a -w [redacted]",
            ),
            ("curl -uadmin:hunter2 http://x", "curl -u[redacted] http://x"),
            (
                "curl -fsSu admin:hunter2 http://x",
                "curl -fsSu [redacted] http://x",
            ),
            ("curl -U admin:hunter2 http://x", "curl -U [redacted] http://x"),
            (
                "[\"curl\", \"-u\", \"a:hunter2\"]",
                "[\"curl\", \"-u\", \"[redacted]\"]",
            ),
            (
                "[\"x\",\"--password\",\"hunter2\"]",
                "[\"x\",\"--password\",\"[redacted]\"]",
            ),
            (
                "[\"x\", \"--password\", \"hunter2\"]",
                "[\"x\", \"--password\", \"[redacted]\"]",
            ),
            ("--password \\ hunter2", "--password \\ [redacted]"),
            (
                "curl --oauth2-bearer hunter2 x",
                "curl --oauth2-bearer [redacted] x",
            ),
            (
                "curl -H 'X-API-Key: a b' http://x",
                "curl -H 'X-API-Key: [redacted]' http://x",
            ),
            (
                "curl -H 'X-API-Key:a b' http://x",
                "curl -H 'X-API-Key:[redacted]' http://x",
            ),
            (
                "curl -H'X-API-Key: a b' http://x",
                "curl -H'X-API-Key: [redacted]' http://x",
            ),
            (
                "curl -sSH 'Token: a b' http://x",
                "curl -sSH 'Token: [redacted]' http://x",
            ),
            (
                "curl -H \"X-Auth-Token: abc\" http://x",
                "curl -H \"X-Auth-Token: [redacted]\" http://x",
            ),
            (
                "curl -H 'X-Auth: abc' http://x",
                "curl -H 'X-Auth: [redacted]' http://x",
            ),
            (
                "wget --header='Private-Token: a b' x",
                "wget --header='Private-Token: [redacted]' x",
            ),
            (
                "curl --header \"Cookie: a=b; c=d\" x",
                "curl --header \"Cookie: [redacted]\" x",
            ),
            (
                "-H \\\"X-API-Key: a b\\\" x",
                "-H \\\"X-API-Key: [redacted]\\\" x",
            ),
            (
                "[\"curl\", \"-H\", \"apikey: a b\", \"x\"]",
                "[\"curl\", \"-H\", \"apikey: [redacted]\", \"x\"]",
            ),
            (
                "[\"curl\",\"-H\",\"X-API-Key: a b\",\"x\"]",
                "[\"curl\",\"-H\",\"X-API-Key: [redacted]\",\"x\"]",
            ),
            (
                "[\"wget\",\"--header=X-API-Key: a b\"]",
                "[\"wget\",\"--header=X-API-Key: [redacted]\"]",
            ),
            (
                "headers = ('X-API-Key: b c')",
                "headers = ('X-API-Key: [redacted]')",
            ),
            ("curl -H 'X-API-Key: a b", "curl -H 'X-API-Key: [redacted]"),
        ] {
            assert_eq!(redact(line), expected, "{line}");
            assert_eq!(redact(expected), expected, "twice is once: {line}");
        }
    }

    #[test]
    fn flags_of_other_programs_stay() {
        for line in [
            "ssh -p2222 host",
            "mkdir -p /data/mysql",
            "psql -p5432 -h mysql",
            "psql -h mysql -p5432",
            "docker run -p8080:80 nginx",
            "docker run --name mysql -p3306:3306 mysql",
            "docker run mysql -p127.0.0.1:3306:3306",
            "mysqldump shop | ssh -p2222 host",
            "sh -c 'mysqladmin ping; ssh -p2222 host'",
            "kubectl exec mysql -- mkdir -p /data",
            "mysql -p shop",
            "tar -a -cf x",
            "cp -a redis-cli /bin",
            "redis-cli -h db ping",
            "curl -usage",
            "curl -sSu http://x",
            "curl -H 'Content-Type: application/json' -H 'Host: a b' http://x",
            "curl -H 'X-API-Key: '",
            "grep -H 'deadline: 5' x",
            "flag \"--password\" is required",
            "[\"mysql\",\"-h\",\"db\",\"-e\",\"select 1\"]",
        ] {
            assert_eq!(redact(line), line);
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
        fn commands_hidden_twice_are_hidden_once(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "mysql", "redis-cli", "curl", "login", "-h", "--", "|", ";", "a;", "-pab", "-p", "-p'a", "-a", "b'",
                    "-u", "-ua:b", "a:b", "'a:b", "\"a", "c\"", "-H", "-H'X-API-Key:", "'X-API-Key:", "\"Cookie:",
                    "--header=\"X-Auth:", "--header", "[\"mysql\",\"-pab\",", "\"--password\",\"a", "b\",\"-a\",", "\\",
                    "password=a", "'", "\"", "\\\"", "=", "x=$(mysql", "-x", "-sH", "-sSu",
                ]),
                0..12,
            ),
        ) {
            let line = words.join(" ");
            let once = redact(&line).into_owned();
            let twice = redact(&once).into_owned();
            prop_assert_eq!(twice, once, "{}", line);
            prop_assert_eq!(masked(&line).len(), line.len());
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
                "mysql -pSECRET shop",
                "mysqldump -p'SECRET SECRET' shop",
                "redis-cli -a SECRET ping",
                "curl -H 'X-API-Key: SECRET SECRET' http://h",
                "wget --header=\"Private-Token: SECRET SECRET\" http://h",
                "[\"mysql\",\"-pSECRET\",\"shop\"]",
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
        let command = "mysql -pabc -H 'X-API-Key: abc' \"-q\",\"a\",".repeat(40_000);
        assert!(!redact(&command).contains("abc"));
        for harmless in [
            "curl -u\"a -u \"b -H \"c -H\"d ",
            "mysql -e \"f\", -q, ",
            "\"-p\",\"-a\",",
        ] {
            let line = harmless.repeat(4_000);
            assert!(matches!(redact(&line), Cow::Borrowed(_)), "{harmless}");
        }
    }
}
