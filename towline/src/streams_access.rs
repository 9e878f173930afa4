//! Who may do what with which streams of `towline streams`: a file of credentials, one in a line.
//!
//! ```text
//! # may do everything
//! 4f0c…
//! # may write one room and read all of them
//! 9a1b…  create,append rooms/7/**  read rooms/**
//! ```
//!
//! What nothing allows is refused. The reserved paths below `__ds/` are paths like others here, so only a pattern that reaches them, such
//! as `**`, lets a credential subscribe.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use protocol::error::{ErrorCode, Problem};
use streams::http::{Access, Action};
use streams::pattern;
use subtle::{Choice, ConstantTimeEq};

use crate::error::{CommandError, Kind};

/// Every right, with the word for it.
const RIGHTS: [(&str, Action); 4] =
    [("create", Action::Create), ("append", Action::Append), ("read", Action::Read), ("delete", Action::Delete)];

/// A credential and what it may do.
#[derive(Debug, PartialEq, Eq)]
struct Grant {
    /// The value of `Authorization` that carries it.
    bearer: String,
    /// Rights, and the pattern of the paths on which they hold.
    may: Vec<(Vec<Action>, String)>,
}

impl Grant {
    /// Reads a line that has a credential; says what is wrong with it otherwise, and never the credential.
    fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let bearer = format!("Bearer {}", words.next().unwrap_or_default());
        let mut may = Vec::new();
        while let Some(rights) = words.next() {
            let rights = rights.split(',').map(right).collect::<Result<Vec<_>, _>>()?.concat();
            let on = words.next().ok_or("a pattern of paths must follow the rights, such as `rooms/**`")?;
            let on = on.trim_start_matches('/');
            if !pattern::is_pattern(on) {
                return Err(format!("`{on}` is not a pattern of paths"));
            }
            may.push((rights, on.to_owned()));
        }
        if may.is_empty() {
            may.push((RIGHTS.map(|(_, action)| action).to_vec(), "**".to_owned()));
        }
        Ok(Self { bearer, may })
    }

    fn allows(&self, action: Action, path: &str) -> bool {
        let (right, fits): (_, fn(&str, &str) -> bool) = match action {
            Action::ReadAll => (Action::Read, pattern::covers),
            other => (other, pattern::fits),
        };
        self.may.iter().any(|(rights, on)| rights.contains(&right) && fits(on, path))
    }
}

/// The actions of a word.
fn right(word: &str) -> Result<Vec<Action>, String> {
    if word == "all" {
        return Ok(RIGHTS.map(|(_, action)| action).to_vec());
    }
    let found = RIGHTS.iter().find(|(name, _)| *name == word).map(|(_, action)| vec![*action]);
    found.ok_or_else(|| format!("`{word}` is not a right: there are create, append, read, delete and all"))
}

/// The policy that stands in a file.
pub(crate) fn from_file(file: &Path) -> Result<Arc<Access>, CommandError> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        CommandError::new(Kind::Config, error)
            .during(format!("cannot read the credentials in {shown}"))
            .hint("It must be a text with one credential in a line, which you may read.")
    })?;
    let grants = parse(&text).map_err(|(line, what)| {
        CommandError::say(Kind::Config, format!("{shown}:{line}: {what}"))
            .hint("A line is a credential, alone or with rights and patterns: `CREDENTIAL read,append rooms/**`.")
    })?;
    if grants.is_empty() {
        return Err(CommandError::say(Kind::Config, format!("there is no credential in {shown}"))
            .hint("Write one in a line of its own; `openssl rand -hex 32` makes a good one."));
    }
    Ok(policy(grants))
}

/// The grants of a text; the number of the first line that is wrong, and what is.
fn parse(text: &str) -> Result<Vec<Grant>, (usize, String)> {
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(number, line)| Grant::parse(line).map_err(|what| (number + 1, what))).collect()
}

fn policy(grants: Vec<Grant>) -> Arc<Access> {
    Arc::new(move |parts, stream, action| {
        let given = parts.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let (mut known, mut allowed) = (Choice::from(0), Choice::from(0));
        // Every credential is looked at, so that the time says nothing about which are there.
        for grant in &grants {
            let same = grant.bearer.as_bytes().ct_eq(given);
            known |= same;
            allowed |= same & Choice::from(u8::from(grant.allows(action, stream.as_str())));
        }
        if bool::from(allowed) {
            return Ok(());
        }
        let problem = if bool::from(known) {
            let word = RIGHTS.iter().find(|(_, of)| *of == action).map_or("read", |(word, _)| word);
            Problem::new(ErrorCode::Forbidden)
                .detail(format!("This credential may not {word} {stream}."))
                .hint("Use another credential, or add the right to its line in the server's --token-file.")
        } else {
            let problem = Problem {
                title: "No credential of this server".to_owned(),
                ..Problem::new(ErrorCode::Unauthenticated)
            };
            problem.hint("Send `Authorization: Bearer CREDENTIAL` with one of the server's --token-file.")
        };
        let mut refusal = Response::new(serde_json::to_vec(&problem).unwrap_or_default().into());
        *refusal.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
        let headers = refusal.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if problem.code == ErrorCode::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Err(Box::new(refusal))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `Access` says of a request: the status of its refusal, or 200.
    fn ask(access: &Access, credential: &str, action: Action, path: &str) -> u16 {
        let request = http::Request::get("/").header(header::AUTHORIZATION, format!("Bearer {credential}"));
        let parts = request.body(()).unwrap().into_parts().0;
        access(&parts, &path.parse().unwrap(), action).map_or_else(|refusal| refusal.status().as_u16(), |()| 200)
    }

    #[test]
    fn each_credential_does_what_its_lines_say_and_nothing_else() {
        let text = "# comment\nmaster\n\n  writer create,append /rooms/7/** read rooms/**\nwriter delete rooms/7/old\nreader all **";
        let access = policy(parse(text).unwrap());
        for (credential, action, path, expected) in [
            ("master", Action::Delete, "any/thing", 200),
            ("master", Action::Create, "__ds/subscriptions/s", 200),
            ("writer", Action::Append, "rooms/7/talk", 200),
            ("writer", Action::Append, "rooms/8/talk", 403),
            ("writer", Action::Read, "rooms/8/talk", 200),
            ("writer", Action::Read, "room", 403),
            ("writer", Action::Read, "roomsx/8", 403),
            ("writer", Action::Delete, "rooms/7/talk", 403),
            // Patterns of subscriptions: everything that they fit must be allowed.
            ("writer", Action::ReadAll, "rooms/*/talk", 200),
            ("writer", Action::ReadAll, "**", 403),
            ("master", Action::ReadAll, "**", 200),
            // A credential may have several lines.
            ("writer", Action::Delete, "rooms/7/old", 200),
            ("writer", Action::Create, "__ds/subscriptions/s", 403),
            ("reader", Action::Append, "x", 200),
            ("", Action::Read, "rooms/8/talk", 401),
            ("maste", Action::Read, "rooms/8/talk", 401),
            ("#", Action::Read, "rooms/8/talk", 401),
        ] {
            assert_eq!(ask(&*access, credential, action, path), expected, "{credential} {action:?} {path}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_line_and_without_the_credential() {
        for (text, line, word) in [
            ("a\nsecret read", 2, "pattern"),
            ("secret reed rooms/**", 1, "`reed`"),
            ("secret read,, x", 1, "``"),
            ("\n\nsecret read a//b", 3, "`a//b`"),
        ] {
            let (number, what) = parse(text).unwrap_err();
            assert!(number == line && what.contains(word) && !what.contains("secret"), "{text:?}: {number} {what}");
        }
    }

    #[test]
    fn fuzz_stream_credentials() {
        let corpus =
            fuzz::words(&["secret read,append rooms/** delete a", "# x\nsecret", "secret all /**", "secret create"]);
        fuzz::target("stream-credentials", &corpus, |input| {
            let Ok(grants) = parse(&String::from_utf8_lossy(input)) else { return false };
            // What nobody wrote a credential for is let in nowhere.
            let access = policy(grants);
            assert_eq!(ask(&*access, "", Action::Read, "a"), 401);
            true
        });
    }
}
