//! Flags of one letter that hold a secret by the program before them: `mysql -phunter2`, `redis-cli -a hunter2`.

/// How a program takes the secret behind such a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In the same word; alone it asks for it, and the next word is something else.
    Glued,
    /// In the next word.
    Next,
    /// In the same word or in the next one.
    Either,
    /// As [`Form::Either`], a name and a password.
    User,
}

/// Programs, their flags, and the form of these. `login` is what docker, podman, helm and oc have in common.
const PROGRAMS: [(&[&str], &[u8], Form); 6] = [
    (
        &[
            "mysql",
            "mysql_upgrade",
            "mysqladmin",
            "mysqlbinlog",
            "mysqlcheck",
            "mysqldump",
            "mysqlimport",
            "mysqlpump",
            "mysqlsh",
            "mysqlshow",
            "mysqlslap",
            "mariabackup",
            "mariadb",
            "mariadb-admin",
            "mariadb-backup",
            "mariadb-binlog",
            "mariadb-check",
            "mariadb-dump",
            "mariadb-import",
            "mariadb-show",
            "mariadb-slap",
            "mariadb-upgrade",
            "xtrabackup",
        ],
        b"p",
        Form::Glued,
    ),
    (
        &[
            "login",
            "mongo",
            "mongodump",
            "mongoexport",
            "mongoimport",
            "mongorestore",
            "mongosh",
            "mycli",
            "mydumper",
            "myloader",
            "rabbitmqadmin",
            "sshpass",
        ],
        b"p",
        Form::Either,
    ),
    (&["keydb-cli", "redis-cli", "valkey-cli"], b"a", Form::Next),
    (
        &["bcp", "mosquitto_pub", "mosquitto_sub", "sqlcmd"],
        b"P",
        Form::Either,
    ),
    (
        &[
            "ldapadd",
            "ldapdelete",
            "ldapmodify",
            "ldappasswd",
            "ldapsearch",
            "ldapwhoami",
        ],
        b"w",
        Form::Either,
    ),
    (&["curl"], b"uU", Form::User),
];

/// Flags whose value may be the name of a program and is none: of a host, a namespace, a container.
const NAMING: [&str; 5] = ["-h", "--host", "-n", "--namespace", "--name"];

type Flags = (&'static [u8], Form);

/// True for a letter that some program takes a secret behind.
pub(super) fn is_any(letter: u8) -> bool {
    PROGRAMS.iter().any(|(_, flags, _)| flags.contains(&letter))
}

/// The command of a line, as far as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    /// Of its program, where that is one of [`PROGRAMS`].
    flags: Option<Flags>,
    /// What closes the argument that is being read.
    quote: Option<char>,
    /// True behind one of [`NAMING`].
    is_name: bool,
}

impl Command {
    /// Reads on: words from where the last call ended.
    pub(super) fn read(&mut self, text: &str) {
        for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            self.word(word);
        }
    }

    /// How the program takes a flag of that letter.
    pub(super) fn form(&self, letter: u8) -> Option<Form> {
        let (flags, form) = self.flags?;
        flags.contains(&letter).then_some(form)
    }

    fn word(&mut self, word: &str) {
        let closed = word.trim_end_matches([';', ')', ']', '}', '\\']);
        if let Some(quote) = self.quote {
            if closed.ends_with(quote) {
                self.quote = None;
                self.flags = self.flags.filter(|_| !word.ends_with(';'));
            }
            return;
        }
        if matches!(word, "--" | "|" | "||" | "&&" | "&") {
            self.flags = None;
            return;
        }
        let is_name = std::mem::replace(&mut self.is_name, NAMING.contains(&word));
        if self.flags.is_some() {
            // A sign of the shell in an argument ends no command.
            let opens = |quote: &char| word.matches(*quote).count() % 2 == 1;
            self.quote = ['\'', '"'].into_iter().find(opens);
        }
        if let Some(flags) = program(word).filter(|_| !is_name) {
            self.flags = Some(flags);
        } else if self.quote.is_none() && word.ends_with(';') {
            self.flags = None;
        }
    }
}

/// The program at the end of a word: `/usr/bin/mysql`, `$(mysql`, `["mysql"`.
fn program(word: &str) -> Option<Flags> {
    let word = word.trim_end_matches(['"', '\'', '\\', ':']);
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = &word[word.trim_end_matches(is_of_name).len()..];
    PROGRAMS
        .iter()
        .find(|(names, ..)| names.contains(&name))
        .map(|(_, flags, form)| (*flags, *form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_command_is_the_last_one_named_in_it() {
        for (text, letter, expected) in [
            ("mysql -h db", b'p', Some(Form::Glued)),
            ("+ /usr/bin/mariadb-dump", b'p', Some(Form::Glued)),
            ("PW=$(mysql", b'p', Some(Form::Glued)),
            ("[\"mysql\",\"-h\",\"db\"", b'p', Some(Form::Glued)),
            ("mysql -e 'a; b'", b'p', Some(Form::Glued)),
            ("sh -c \"mysql -e 'a; b'", b'p', Some(Form::Glued)),
            ("kubectl exec db-0 -- mysql", b'p', Some(Form::Glued)),
            ("docker login -u a", b'p', Some(Form::Either)),
            ("curl -sf", b'u', Some(Form::User)),
            ("redis-cli -h db", b'p', None),
            ("mysqldump shop | ssh", b'p', None),
            ("mysqladmin ping; ssh", b'p', None),
            ("sh -c 'mysqladmin ping; ssh", b'p', None),
            ("mysql -e 'a; b'; ssh", b'p', None),
            ("mysqladmin ping && mkdir", b'p', None),
            ("kubectl exec mysql -- mkdir", b'p', None),
            ("psql -h mysql", b'p', None),
            ("ssh mysql-0", b'p', None),
            ("docker run --name mysql", b'p', None),
        ] {
            let mut command = Command::default();
            command.read(text);
            assert_eq!(command.form(letter), expected, "{text}");
        }
    }
}
