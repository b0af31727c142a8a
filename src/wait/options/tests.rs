use super::*;

fn parse(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Command, UsageError> {
    let variable = |name: &str| {
        environment
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    };
    let file = |path: &str| match path {
        "/key" => Ok("s3cret\n".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let sources = Sources {
        variable: &variable,
        file: &file,
    };
    Command::parse(arguments.iter().map(OsString::from), &sources)
}

fn options(arguments: &[&str], environment: &[(&str, &str)]) -> Options {
    match parse(arguments, environment) {
        Ok(Command::Wait(options)) => *options,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_environment_gives_the_budget_and_flags_win() {
    let environment = [
        ("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "600"),
        ("HOOKBUDGET_WAIT_INTERVAL_SECONDS", "5"),
        ("HOOKBUDGET_WAIT_ATTEMPTS", "75"),
        ("HOOKBUDGET_PROBE_TIMEOUT_SECONDS", "3"),
    ];
    let budget = options(&["tcp://a:1"], &environment).budget;
    assert_eq!((budget.timeout, budget.attempts), (Seconds::new(600), None));
    assert_eq!(budget.expected_attempts(), 120);
    let budget = options(&["--timeout=1m", "--interval", "7s", "tcp://a:1"], &environment).budget;
    assert_eq!(
        (budget.timeout, budget.interval),
        (Seconds::new(60), Seconds::new(7))
    );
    assert_eq!(budget.expected_attempts(), 9);
}

#[test]
fn counted_attempts_stand_in_for_a_missing_timeout() {
    let budget = options(&["tcp://a:1"], &[("HOOKBUDGET_WAIT_ATTEMPTS", "75")]).budget;
    assert_eq!((budget.timeout, budget.attempts), (Seconds::new(600), None));
}

#[test]
fn there_is_always_a_budget() {
    assert_eq!(options(&["tcp://a:1"], &[]).budget.timeout, DEFAULT_TIMEOUT);
    let empty = [("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "")];
    assert_eq!(options(&["tcp://a:1"], &empty).budget.timeout, DEFAULT_TIMEOUT);
}

#[test]
fn header_values_come_from_variables_files_or_the_command_line() {
    let arguments = [
        "--header",
        "X-API-Key=@file:/key",
        "--header=A=@env:KEY",
        "--header",
        "B=c=d",
        "http://powerdns",
    ];
    let headers = options(&arguments, &[("KEY", "k")]).http.headers;
    let expected = [("X-API-Key", "s3cret"), ("A", "k"), ("B", "c=d")];
    assert_eq!(
        headers,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn the_command_is_all_that_follows() {
    let then = options(&["tcp://a:1", "--", "sh", "-c", "echo --help"], &[]).then;
    assert_eq!(then, ["sh", "-c", "echo --help"]);
}

#[test]
fn wrong_use_is_named_with_its_remedy() {
    for (arguments, environment, part) in [
        (&[][..], &[][..], "nothing to wait for"),
        (&["--timeout", "600", "tcp://a:1"], &[], "write 600s"),
        (&["--timeout", "0s", "tcp://a:1"], &[], "longer than no time"),
        (&["--interval=-1s", "tcp://a:1"], &[], "longer than no time"),
        (&["tcp://a:1", "--timeout"], &[], "needs a value"),
        (&["--attempts", "0", "tcp://a:1"], &[], "whole number"),
        (&["--retries", "1", "tcp://a:1"], &[], "--help"),
        (&["tcp://a:1", "--"], &[], "nothing follows --"),
        (&["--ready", "2xx", "tcp://a:1"], &[], "none is given"),
        (&["--ready", "ok", "http://a"], &[], "--ready: "),
        (&["--method", "G ET", "http://a"], &[], "HTTP method"),
        (&["--header", "nothing", "http://a"], &[], "NAME=VALUE"),
        (&["--header", "A=@env:NOPE", "http://a"], &[], "no variable NOPE"),
        (&["--header", "A=@file:/nope", "http://a"], &[], "no such file"),
        (&["--header", "A=b\r\nC: d", "http://a"], &[], "line break"),
        (&["ftp://a"], &[], "unknown scheme"),
        (&["--backoff", "0.5", "tcp://a:1"], &[], "from 1"),
        (&["--jitter", "2", "tcp://a:1"], &[], "0.999"),
        (&["--log-format", "xml", "tcp://a:1"], &[], "text or json"),
        (&["--expect-body", "(", "http://a"], &[], "regular expression"),
        (&["--ca-file", "/ca.crt", "http://a"], &[], "https://"),
        (&["--insecure-skip-tls-verify", "k8s://pod/a"], &[], "https://"),
        (
            &["tcp://a:1"],
            &[("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "10m")],
            "HOOKBUDGET_WAIT_TIMEOUT_SECONDS",
        ),
        (
            &["tcp://a:1"],
            &[("HOOKBUDGET_WAIT_INTERVAL_SECONDS", "nan")],
            "no number of seconds",
        ),
    ] {
        let message = parse(arguments, environment)
            .expect_err(&format!("{arguments:?}"))
            .to_string();
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
}
