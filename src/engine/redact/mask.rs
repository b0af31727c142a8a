//! Secrets of a source text hidden in place.

use std::borrow::Cow;

use super::super::pem;
use super::walk::Walk;

/// The text with an asterisk for each byte of a secret: every place in it stays where it is. A command or a list of
/// its arguments may go over several lines.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut block = pem::PemBlock::default();
    let mut walk = Walk::default();
    let (mut was_item, mut continued) = (false, false);
    let mut changed = false;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (body, end) = line.split_at(line.trim_end_matches(['\r', '\n']).len());
        let item = element(body);
        if !(continued || (was_item && item.is_some())) {
            walk = Walk::default();
            walk.goes_on = true;
        }
        (was_item, continued) = (item.is_some(), body.ends_with('\\'));
        let part = block.next(body);
        let hidden = if part == pem::PemLine::Inside {
            Some(asterisks(body, ""))
        } else if let Some(begins) = body.find(pem::BEGIN) {
            let head = walk.hide(&body[..begins], asterisks);
            let head = head.as_deref().unwrap_or(&body[..begins]);
            Some(head.to_owned() + &asterisks(&body[begins..], ""))
        } else {
            let (dash, rest) = body.split_at(item.unwrap_or(0));
            walk.hide(rest, asterisks).map(|hidden| dash.to_owned() + &hidden)
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
    format!("{}{}{}", &word[..head], covered(&rest[..hidden]), &rest[hidden..])
}

/// Asterisks for all but the names of variables: a script that names one shows nothing of its value.
fn covered(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let name = at + variable(&rest[at..]);
        out.push_str(&"*".repeat(at));
        out.push_str(&rest[at..name]);
        let next = name.max(at + 1);
        out.push_str(&"*".repeat(next - name));
        rest = &rest[next..];
    }
    out + &"*".repeat(rest.len())
}

/// Bytes of `$NAME`, `${NAME}` or `$(COMMAND)` at the beginning of the text; of a default value none.
fn variable(text: &str) -> usize {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = |from: usize| {
        text[from..]
            .find(|c| !is_of_name(c))
            .map_or(text.len(), |end| from + end)
    };
    match text.as_bytes().get(1) {
        Some(b'(') => text.rfind(')').map_or(text.len(), |end| end + 1),
        Some(b'{') => name(2) + usize::from(text[name(2)..].starts_with('}')),
        Some(b) if b.is_ascii_alphabetic() || *b == b'_' => name(1),
        _ => 0,
    }
}

/// Where the element of a list begins that has a line of its own: `- "a"`, `"a",`.
fn element(line: &str) -> Option<usize> {
    let text = line.trim_start();
    let begins = line.len() - text.len();
    if text.starts_with("- ") {
        return Some(begins + 2);
    }
    let is_string = text.starts_with('"') && text.trim_end().ends_with(['"', ',']) && !text.contains("\":");
    is_string.then_some(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (
                "-H 'Authorization: Bearer $TOKEN' --password ${PW:-hunter2}",
                "-H 'Authorization: *******$TOKEN' --password ${PW*********}",
            ),
            ("curl -u \"$USER:hunter2\"", "curl -u \"$USER********\""),
            ("--password \"$(cat /run/pw)x\"", "--password \"$(cat /run/pw)*\""),
            (
                "command:\n- mysql\n- -pab\n- -h\n",
                "command:\n- mysql\n- -p**\n- -h\n",
            ),
            (
                "[\n  \"mysql\",\n  \"-pab\"\n]\n",
                "[\n  \"mysql\",\n  \"-p**\"\n]\n",
            ),
            ("- --password\n- ab\n", "- --password\n- **\n"),
            ("- -H\n- 'apikey: a b'\n", "- -H\n- 'apikey: ***'\n"),
            (
                "mysql -h db \\\n  -pab \\\n  shop\n",
                "mysql -h db \\\n  -p** \\\n  shop\n",
            ),
        ] {
            let masked = masked(text);
            assert_eq!(masked.len(), text.len());
            assert_eq!(masked, expected);
        }
        for text in ["image: a:1\n", "- mysql\nargs:\n- -p80\n", "- -a\n- redis-cli\n"] {
            assert!(matches!(masked(text), Cow::Borrowed(_)), "{text}");
        }
    }
}
