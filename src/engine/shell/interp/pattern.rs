//! Shell patterns: matching, quoting, cutting.

/// A text as a pattern that matches it alone.
pub(super) fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// Shell patterns: `*`, `?`, `[a-z]`, `\`. Linear in the product of the lengths.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    if pattern.len() <= 512 && text.len() <= 4096 && !pattern.contains(['*', '?', '[', '\\']) {
        return pattern == text;
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (
        pattern.chars().take(512).collect(),
        text.chars().take(4096).collect(),
    );
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = if t < text.len() {
            match_one(&pattern, p, text.get(t).copied())
        } else {
            None
        };
        if t < text.len() && pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if let Some(width) = step {
            p += width;
            t += 1;
        } else if t == text.len() && pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*') {
            return true;
        } else if let Some((at, from)) = star.filter(|(_, from)| *from < text.len()) {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
}

/// How many characters of the pattern one character of the text takes; `None` when they do not match.
fn match_one(pattern: &[char], at: usize, c: Option<char>) -> Option<usize> {
    let c = c?;
    match pattern.get(at)? {
        '?' => Some(1),
        '*' => None,
        '\\' => (pattern.get(at + 1) == Some(&c)).then_some(2),
        '[' => {
            let inner = pattern.get(at + 1..)?;
            let Some(close) = inner.iter().skip(1).position(|c| *c == ']') else {
                return (c == '[').then_some(1);
            };
            let set = inner.get(..=close)?;
            let (negated, set) = match set.first() {
                Some('!' | '^') => (true, set.get(1..)?),
                _ => (false, set),
            };
            let mut found = false;
            let mut index = 0;
            while let Some(low) = set.get(index) {
                if let (Some('-'), Some(high)) = (set.get(index + 1), set.get(index + 2)) {
                    found |= (*low..=*high).contains(&c);
                    index += 3;
                } else {
                    found |= *low == c;
                    index += 1;
                }
            }
            (found != negated).then_some(close + 3)
        }
        other => (*other == c).then_some(1),
    }
}

/// `${x%pattern}` and `${x#pattern}`.
/// `None` where that would take long.
pub(super) fn trimmed(text: &str, pattern: &str, suffix: bool, longest: bool) -> Option<String> {
    if text.len() > 256 || pattern.len() > 64 {
        return None;
    }
    let mut cuts: Vec<usize> = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    if suffix != longest {
        cuts.reverse();
    }
    for cut in cuts {
        let (head, tail) = text.split_at(cut);
        let (part, rest) = if suffix { (tail, head) } else { (head, tail) };
        if matches(pattern, part) {
            return Some(rest.to_owned());
        }
    }
    Some(text.to_owned())
}

/// The shell patterns that a regular expression of digits, points and alternatives stands for:
/// `^(200|40.)$`, `^2`. `None` for any other.
pub(super) fn shapes(expression: &str) -> Option<Vec<String>> {
    if expression.len() > 64 {
        return None;
    }
    let grouped = match expression.split_once('(') {
        Some((before, rest)) => {
            let (inner, after) = rest.split_once(')')?;
            inner
                .split('|')
                .map(|item| format!("{before}{item}{after}"))
                .collect()
        }
        None => expression.split('|').map(str::to_owned).collect::<Vec<_>>(),
    };
    grouped.iter().map(|item| shape(item)).collect()
}

fn shape(expression: &str) -> Option<String> {
    let (begins, rest) = match expression.strip_prefix('^') {
        Some(rest) => ("", rest),
        None => ("*", expression),
    };
    let (rest, ends) = match rest.strip_suffix('$') {
        Some(rest) => (rest, ""),
        None => (rest, "*"),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '[' | ']' | '-');
    rest.chars()
        .all(plain)
        .then(|| format!("{begins}{}{ends}", rest.replace('.', "?")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_the_shell() {
        for (pattern, text, expected) in [
            ("200", "200", true),
            ("2*", "204", true),
            ("2??", "20", false),
            ("[45]*", "503", true),
            ("[!4]*", "403", false),
            ("[0-9]", "x", false),
            ("*a*b*", "xxaxxbxx", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("", "", true),
            ("*", "", true),
            ("[", "[", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn ends_are_trimmed() {
        assert_eq!(trimmed("db:5432", ":*", true, false).as_deref(), Some("db"));
        assert_eq!(trimmed("a.b.c", ".*", true, true).as_deref(), Some("a"));
        assert_eq!(trimmed("a.b.c", "*.", false, true).as_deref(), Some("c"));
        assert_eq!(trimmed("http://x", "*://", false, false).as_deref(), Some("x"));
    }
}
