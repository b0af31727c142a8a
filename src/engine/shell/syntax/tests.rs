use super::*;

fn accepted(text: &str) -> bool {
    parse(text).1.is_none()
}

#[test]
fn everyday_scripts_are_accepted() {
    for text in [
        "",
        "# only a comment",
        "a && b || c; d & e",
        "if a; then b; elif c; then d; else e; fi",
        "while :; do x; done < file",
        "for i in a b; do :; done",
        "for i; do :; done",
        "for i\nin 1 2\ndo :\ndone",
        "for ((i=0; i<5; i++)); do :; done",
        "case $x in a|b) c ;; (d) e;; *) f; esac",
        "case x in esac",
        "f() { g; }; function h { i; }; function j() { k; }",
        "x=$(a \"$(b 'c)')\") y=`d \\`e\\``",
        "(a; b) > /dev/null 2>&1",
        "((a + (b) * 2)) && [[ $x == y* && ( -n $z || ! -f w ) ]]",
        "[[ $v =~ ^v?([0-9]+) ]]",
        "cat <<EOF\nif then ( ' \nEOF\necho done",
        "cat <<-'X' | grep y\n\ttext\n\tX\n",
        "echo ${a:-${b:-c}} ${#d} ${e%%.*} ${f##*/} ${g/h/i} ${j:0:2} ${k[@]} ${!l}",
        "a=(1 2 \"3\"); a+=(4); local b=(5)",
        "diff <(a) <(b)",
        "! a | b |& c",
        "time -p a",
        "echo a#b $'c\\n' $\"d\"",
        "x() (\n a\n)",
        "a \\\n  b",
        "{ a; b; } 2>/dev/null &",
        "exec 3<>/dev/tcp/h/1",
        "echo {1..5} a\\ b",
    ] {
        assert_eq!(parse(text).1, None, "{text}");
    }
}

#[test]
fn what_is_not_shell_is_refused_with_its_place() {
    for (text, at) in [
        ("a\nif b; then\n", 13),
        ("echo 'x", 6),
        ("echo $(a", 8),
        ("a )", 2),
        ("done", 0),
        ("case x in a b", 12),
        ("| a", 0),
    ] {
        let error = parse(text).1.expect(text);
        assert_eq!(error.at, at, "{text}: {}", error.why);
    }
}

#[test]
fn what_stands_before_an_error_is_kept() {
    let (list, error) = parse("a\nb\nfor\n");
    assert_eq!(list.0.len(), 2);
    assert!(error.is_some());
}

#[test]
fn nesting_is_bounded() {
    for open in [
        "(",
        "$(",
        "$((",
        "{ ",
        "if ",
        "case x in x) ",
        "${a:-",
        "\"$(",
        "while ",
        "[[ (",
        "f() ",
        "((",
        "! ( ",
    ] {
        let text = format!("echo {}", open.repeat(20_000));
        let text = if open.starts_with(['$', '"']) {
            text
        } else {
            open.repeat(20_000)
        };
        assert!(!accepted(&text), "{open}");
    }
}
