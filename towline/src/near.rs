//! Did you mean: the nearest of some names.

/// The name that a text was probably meant to be.
pub(crate) fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = text.to_lowercase();
    let length = wanted.chars().count();
    let most = match length {
        0..=2 => 1,
        3..=5 => 2,
        _ => length / 3,
    };
    let near = names.into_iter().filter_map(|name| {
        let low = name.to_lowercase();
        let distance = strsim::damerau_levenshtein(&wanted, &low);
        // What begins like it is near, however much is missing.
        let begins = length >= 3 && (low.starts_with(&wanted) || wanted.starts_with(&low) && low.chars().count() >= 3);
        (distance <= most || begins).then_some((distance, name))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// The words for it, to stand behind what was wrong; nothing when no name is near.
pub(crate) fn did_you_mean<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(text, names).map(|name| format!("Did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let names = ["listen", "lan", "host_names", "tls_key_file"];
        for (text, name) in [
            ("lissten", Some("listen")),
            ("lna", Some("lan")),
            ("tls_key", Some("tls_key_file")),
            ("hostnames", Some("host_names")),
            ("banana", None),
            ("x", None),
        ] {
            assert_eq!(nearest(text, names), name, "{text}");
        }
    }
}
