//! What must not be shown of an agent's last words: they may hold headers, dumps of an environment, keys.

use crate::process::Environment;

use super::words::clip_front;

/// Longest end of an agent's stderr that is shown, in characters.
const SHOWN_CHARS: usize = 2000;
/// Shortest value of a variable that is taken for a secret: a shorter one may be any word.
const SECRET_BYTES: usize = 8;
/// What keys of well-known vendors begin with.
const PREFIXES: [&str; 9] = ["sk-", "ghp_", "gho_", "ghs_", "github_pat_", "xoxb-", "xoxp-", "AIza", "eyJ"];
/// What names of secrets have in them.
const NAMES: [&str; 7] = ["key", "token", "secret", "password", "credential", "authorization", "cookie"];
/// What stands in their place.
const STRUCK: &str = "[hidden]";

/// The secrets that an agent was given by its environment.
#[derive(Debug, Default, Clone)]
pub(super) struct Hidden(Vec<String>);

impl Hidden {
    /// Those of an environment.
    pub(super) fn of(environment: &Environment) -> Self {
        let secret = |name: &std::ffi::OsStr| names_secret(&name.to_string_lossy());
        let values = environment.iter().filter(|(name, _)| secret(name));
        let mut values: Vec<String> = values.map(|(_, value)| value.to_string_lossy().into_owned()).collect();
        values.retain(|value| value.len() >= SECRET_BYTES);
        Self(values)
    }

    /// The end of a text, without what looks like a secret.
    pub(super) fn strike(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.0 {
            text = text.replace(value, STRUCK);
        }
        clip_front(&struck(&text), SHOWN_CHARS)
    }
}

fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|part| name.contains(part))
}

/// Strikes out words that are keys by their look, and what follows a word that announces one.
fn struck(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // A secret is announced: the next word is one, unless it only says of which kind.
    let mut announced = false;
    while !rest.is_empty() {
        let length = rest.find(|sign: char| !is_word(sign)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(length);
        let kind = ["bearer", "basic", "token"].iter().any(|kind| word.eq_ignore_ascii_case(kind));
        let is_key = PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && word.len() > 12;
        if is_key || (announced && !word.is_empty() && !kind) {
            out.push_str(STRUCK);
        } else {
            out.push_str(word);
        }
        let gap = behind.find(is_word).unwrap_or(behind.len());
        let (between, next) = behind.split_at(gap);
        out.push_str(between);
        let joins = between.trim_matches(['"', '\'', ' ']) == ":" || between.trim_matches(['"', '\'', ' ']) == "=";
        announced = (word.eq_ignore_ascii_case("bearer") && between == " ")
            || (announced && kind && between == " ")
            || (names_secret(word) && joins && !between.contains('\n'));
        rest = next;
    }
    out
}

fn is_word(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || "-_.~+/%".contains(sign) || !sign.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_struck_out_and_words_stay() {
        let environment = Environment::cleaned([("PATH".into(), "/usr/bin".into())])
            .with("MY_TOKEN", "correct horse battery")
            .with("SHORT_KEY", "abc")
            .with("PLAIN", "everyday words");
        let hidden = Hidden::of(&environment);
        let said = "Error: 401 at https://api.example.com/v1\n\
            Authorization: Bearer abc.def-ghi\nx-api-key: 0123abc\n{\"apiKey\": \"zzz\"}\n\
            OPENAI_API_KEY=qwerty MY=1\nsk-ant-api03-abcdef and sk-short\ncorrect horse battery, everyday words, abc\n\
            the key is wrong: look at it";
        let shown = hidden.strike(said);
        for secret in ["abc.def", "0123abc", "zzz", "qwerty", "sk-ant", "correct horse"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        for word in ["https://api.example.com/v1", "MY=1", "sk-short", "everyday words, abc", "the key is wrong: look"]
        {
            assert!(shown.contains(word), "{word} not in {shown}");
        }
    }

    #[test]
    fn the_end_is_kept() {
        let shown = Hidden::default().strike(&format!("{}the last words", "x ".repeat(4000)));
        assert!(shown.chars().count() <= SHOWN_CHARS + 1 && shown.ends_with("the last words"));
    }
}
