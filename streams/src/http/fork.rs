//! Forks: what a `PUT` with `Stream-Forked-From` asks for, and where source and fork part.

use http::request::Parts;
use http::{HeaderMap, StatusCode};
use protocol::limits::MAX_PAGE_MESSAGES;
use protocol::offset::Offset;
use protocol::path::StreamPath;
use store::{Create, Fork, Head, ReadError};

use super::headers::{self, name};
use super::problem::Problem;
use super::{Action, Face, ROOT};
use crate::lifetime::{self, Life, Origin};

/// What the headers of a fork ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) source: StreamPath,
    /// `None`: the end of the source.
    pub(super) at: Option<Offset>,
    /// Messages, or bytes, beyond that position.
    pub(super) beyond: u64,
}

impl Wish {
    /// Reads the headers; `None` when they ask for no fork.
    pub(super) fn parse(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let bad = |detail: &str| Problem::bad("fork_invalid", "The fork is not usable", detail);
        let at = headers::text(headers, &name::FORK_OFFSET)?;
        let beyond = headers::text(headers, &name::FORK_SUB_OFFSET)?;
        let Some(source) = headers::text(headers, &name::FORKED_FROM)? else {
            let lonely = at.is_some() || beyond.is_some();
            return if lonely { Err(bad("Stream-Forked-From is missing.")) } else { Ok(None) };
        };
        let source = source.strip_prefix(ROOT).unwrap_or(source);
        let source = headers::percent_decoded(source).and_then(|source| source.parse().ok());
        let source = source.ok_or_else(|| bad("Stream-Forked-From names no stream."))?;
        let at = at.map(str::parse).transpose().map_err(|_| bad("Stream-Fork-Offset is not an offset."))?;
        let plain = |text| lifetime::parse_ttl(text).ok_or_else(|| bad("Stream-Fork-Sub-Offset is a plain number."));
        let beyond = beyond.map(plain).transpose()?.unwrap_or(0);
        if beyond > 0 && at.is_none() {
            return Err(bad("Stream-Fork-Sub-Offset counts from a Stream-Fork-Offset."));
        }
        Ok(Some(Self { source, at, beyond }))
    }

    /// Whether a fork that is there is the one that is asked for. Who names no position takes the one that it has.
    pub(super) fn is(&self, origin: &Origin) -> bool {
        let there = self.at.is_none_or(|at| at == origin.at && self.beyond == origin.beyond);
        self.source == origin.source && there
    }
}

impl Face {
    /// The source of a fork, when whoever asks may read it and it can be forked.
    pub(super) async fn source(&self, parts: &Parts, wish: &Wish) -> Result<(Head, Life), Problem> {
        let source = &wish.source;
        (self.options.access)(parts, source, Action::Read).map_err(Problem::Denied)?;
        if source.owned().is_some() {
            // What a session said must go with the session, so nobody else may hold on to it.
            let detail = format!("{source} belongs to its session or account.");
            return Err(Problem::new(StatusCode::FORBIDDEN, "fork_refused", "This stream is not forked", detail));
        }
        let now = self.options.clock.now();
        match lifetime::head(&self.streams, source, now, false).await {
            Ok(found) => found.ok_or_else(|| Problem::missing(source)),
            Err(lifetime::LifeError::Read(ReadError::Retired { .. })) => Err(retired(source)),
            Err(error) => Err(error.into()),
        }
    }

    /// The operation that makes the fork.
    pub(super) async fn parting(&self, create: Create, wish: &Wish, head: &Head) -> Result<Fork, Problem> {
        let bad = |detail: String| Problem::bad("fork_invalid", "The source has no such position", detail);
        let mut at = wish.at.unwrap_or(head.tail);
        if at.epoch != head.tail.epoch || at.byte > head.tail.byte {
            return Err(bad(format!("{} ends at {}.", wish.source, head.tail)));
        }
        // A position inside a message of a JSON stream is told here.
        if at < head.tail {
            self.streams.read(&wish.source, Some(at), 1, 1).await?;
        }
        if !headers::is_json(&head.content_type) {
            at = at.plus(wish.beyond.min(head.tail.byte + 1));
        } else if wish.beyond > 0 {
            at = self.messages_beyond(wish, at).await?.unwrap_or(head.tail.plus(1));
        }
        if at > head.tail {
            return Err(bad(format!("Stream-Fork-Sub-Offset {} is past the end.", wish.beyond)));
        }
        Ok(Fork { create, source: wish.source.clone(), at })
    }

    /// The end of the so-many-th message from a position on; `None` when there are not so many.
    async fn messages_beyond(&self, wish: &Wish, mut at: Offset) -> Result<Option<Offset>, Problem> {
        let mut left = wish.beyond;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(MAX_PAGE_MESSAGES);
            let page = self.streams.read(&wish.source, Some(at), self.options.page_bytes, most).await?;
            if page.messages.is_empty() {
                return Ok(None);
            }
            left -= page.messages.len() as u64;
            at = page.next;
        }
        Ok(Some(at))
    }
}

/// A path that cannot be used as long as forks go on from what was there.
pub(super) fn retired(stream: &StreamPath) -> Problem {
    let detail = format!("{stream} was deleted and is kept for the streams that were forked from it.");
    Problem::conflict("stream_retired", "The stream was deleted", detail)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_headers_come_together() {
        let check = |fields: &[(http::HeaderName, &str)]| {
            let field = |(name, value): &(http::HeaderName, &str)| {
                (name.clone(), HeaderValue::from_str(value).expect("a value"))
            };
            Wish::parse(&fields.iter().map(field).collect())
        };
        let from = |source| (name::FORKED_FROM, source);
        let at = (name::FORK_OFFSET, "0000000000000000_0000000000000005");
        let beyond = |text| (name::FORK_SUB_OFFSET, text);
        assert!(check(&[]).expect("no fork").is_none());
        for source in ["/v1/stream/a/b", "a/b", "/v1/stream/a%2Fb"] {
            let wish = check(&[from(source), at.clone(), beyond("7")]).expect("a fork").expect("a fork");
            let at = Some(Offset::new(0, 5));
            assert_eq!(wish, Wish { source: "a/b".parse().expect("a path"), at, beyond: 7 });
        }
        for bad in [
            vec![at.clone()],
            vec![beyond("0")],
            vec![from("")],
            vec![from("/v1/stream/../a")],
            vec![from("a"), (name::FORK_OFFSET, "5")],
            vec![from("a"), beyond("1")],
            vec![from("a"), at.clone(), beyond("-1")],
            vec![from("a"), at.clone(), beyond("05")],
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn fuzz_forks() {
        let corpus = fuzz::words(&["/v1/stream/a/b", "a%2Fb", "0000000000000000_0000000000000005", "7", "05", "../a"]);
        let mut last: Vec<Vec<u8>> = vec![b"a".to_vec(), b"0000000000000000_0000000000000005".to_vec(), b"7".to_vec()];
        let mut turn = 0;
        fuzz::target("forks", &corpus, |input| {
            last[turn % 3] = input.to_vec();
            turn += 1;
            let names = [name::FORKED_FROM, name::FORK_OFFSET, name::FORK_SUB_OFFSET];
            let fields = names.into_iter().zip(&last);
            let headers =
                fields.filter_map(|(name, value)| Some((name, HeaderValue::from_bytes(value).ok()?))).collect();
            match Wish::parse(&headers) {
                Ok(Some(wish)) => {
                    assert!(wish.at.is_some() || wish.beyond == 0, "{wish:?}");
                    true
                }
                Ok(None) | Err(_) => false,
            }
        });
    }
}
