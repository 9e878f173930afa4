//! Files that people attach to prompts: uploaded in pieces, kept by what they are (their SHA-256), named by whoever attaches them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::UploadId;
use crate::limits::{MAX_BLOB_BYTES, MAX_NAME_CHARS};

/// The SHA-256 of a file's bytes: 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ts_rs::TS)]
#[ts(type = "string")]
pub struct BlobId([u8; 32]);

/// A text is not the SHA-256 of anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a blob: 64 lower-case hex digits were expected")]
pub struct ParseBlobIdError;

impl BlobId {
    /// The id of a file with this SHA-256.
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BlobId {
    type Err = ParseBlobIdError;
    fn from_str(text: &str) -> Result<Self, ParseBlobIdError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(ParseBlobIdError),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(ParseBlobIdError);
        }
        let mut digest = [0; 32];
        for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
            *byte = (digit(*high)? << 4) | digit(*low)?;
        }
        Ok(Self(digest))
    }
}

impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BlobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A file that is whole: the hub has seen all of it and knows what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct Blob {
    /// What it is called by: `GET /v1/blobs/{sha256}`.
    pub sha256: BlobId,
    /// What its bytes are, found by looking at them: `image/png`, `image/jpeg`, `image/gif`, `image/webp` or `text/plain`.
    pub media_type: String,
    /// Its size, in bytes.
    pub size_bytes: u64,
}

/// A file with a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attachment {
    /// The file.
    pub blob: BlobId,
    /// What the person calls it; never a path.
    pub name: String,
    /// What its bytes are, as the finished upload said.
    pub media_type: String,
    /// Its size, in bytes.
    pub size_bytes: u64,
}

impl Attachment {
    /// Whether it is an image, of the kinds that agents look at.
    pub fn is_image(&self) -> bool {
        self.media_type.starts_with("image/")
    }

    /// Whether its name and size can be those of a file that was uploaded.
    pub fn is_plausible(&self) -> bool {
        is_file_name(&self.name) && (1..=MAX_BLOB_BYTES).contains(&self.size_bytes)
    }
}

/// Whether a text can name a file on every system: no separator, no control character, not a way up, not too long.
pub fn is_file_name(name: &str) -> bool {
    let plain = !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | ':'));
    let sized = !name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS;
    plain && sized && !matches!(name.trim(), "." | "..")
}

/// Begins an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UploadRequest {
    /// What the person calls the file.
    pub name: String,
    /// What the client takes it for; the hub looks for itself.
    pub media_type: String,
    /// Its whole size, in bytes.
    pub size_bytes: u64,
}

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
pub struct UploadState {
    /// Which.
    pub upload: UploadId,
    /// Bytes that the hub has on disk: the next piece begins there.
    pub received_bytes: u64,
    /// The file, once all of it is there.
    pub blob: Option<Blob>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_text_form_round_trips(digest in any::<[u8; 32]>()) {
            let blob = BlobId::from_digest(digest);
            prop_assert_eq!(blob.to_string().parse::<BlobId>(), Ok(blob));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = text.parse::<BlobId>();
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let text = BlobId::from_digest([0xab; 32]).to_string();
        for bad in [text.to_uppercase(), text[1..].to_owned(), format!("{text}a"), format!("../{}", &text[3..])] {
            assert!(bad.parse::<BlobId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_never_a_path() {
        for good in ["a.png", "Bild 1.jpeg", "..hidden", "写真.webp"] {
            assert!(is_file_name(good), "{good}");
        }
        let long = "x".repeat(MAX_NAME_CHARS + 1);
        for bad in ["", " ", ".", "..", "a/b", "..\\b", "C:", "a\nb", long.as_str()] {
            assert!(!is_file_name(bad), "{bad:?}");
        }
    }
}
