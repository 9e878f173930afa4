//! How slowly a body may come. A limit that begins anew with each byte is none for who sends a byte every now and then, and one for the
//! whole would cut off large bodies on slow networks that are well under way; so what has come earns more time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// Longest that the other side may neither send a byte of a body that it has announced, nor take a byte of an answer: a phone that
/// has lost its network for a moment is back by then, and who keeps a connection for nothing holds a place of another.
pub(super) const STALL: Duration = Duration::from_secs(30);
/// Bytes that must come in a second, on average and beside one [`STALL`]: half of what mobile contracts still give when their volume is
/// used up (64 kbit/s), so a body of 1 MiB has 4.8 minutes.
const RATE: u64 = 4 * 1024;

/// What is known of how a body comes. Time in which nobody waits for it does not count.
#[derive(Debug, Default)]
pub(super) struct Pace {
    received: u64,
    waited: Duration,
}

impl Pace {
    /// How long the next piece may take.
    pub(super) fn limit(&self) -> Duration {
        let earned = Duration::from_millis(self.received.saturating_mul(1_000) / RATE);
        (STALL + earned).saturating_sub(self.waited).min(STALL)
    }

    /// A piece of so many bytes has come after so long.
    pub(super) fn came(&mut self, bytes: usize, after: Duration) {
        self.received = self.received.saturating_add(bytes as u64);
        self.waited += after;
    }
}

/// The body comes too slowly to wait for it.
#[derive(Debug, thiserror::Error)]
#[error("it came too slowly")]
pub(super) struct TooSlow;

/// The body of a request, which fails when nothing of it comes for 30 s, or when it falls behind 4 KiB/s by as much
/// altogether. Time in which it is not asked for does not count.
#[derive(Debug)]
pub struct Paced<B> {
    body: B,
    pace: Pace,
    /// Since when the next piece is waited for, and until when.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<B> Paced<B> {
    /// The same body, with a limit.
    pub const fn new(body: B) -> Self {
        Self { body, pace: Pace { received: 0, waited: Duration::ZERO }, waiting: None }
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            let after = this.waiting.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
            let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Buf::remaining);
            this.pace.came(bytes, after);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let pace = &this.pace;
        let (_, late) = this.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(pace.limit()))));
        ready!(late.as_mut().poll(context));
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// How long a body is waited for that comes in pieces of this length, with this pause before each; `None` when all of it is taken.
    async fn given_up(pieces: usize, bytes: usize, pause: Duration) -> Option<Duration> {
        let body = stream::unfold(pieces, move |left| async move {
            let left = left.checked_sub(1)?;
            sleep(pause).await;
            Some((Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![0; bytes]))), left))
        });
        let body = StreamBody::new(Box::pin(body));
        let began = Instant::now();
        let end = Paced::new(body).collect().await;
        let error = end.err()?;
        assert!(error.is::<TooSlow>(), "{error}");
        Some(began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_slow_is_waited_for_and_who_only_keeps_the_place_is_not() {
        let seconds = Duration::from_secs;
        // 8 KiB/s, and 4 KiB/s in large pieces.
        assert_eq!(given_up(2_000, 8 * 1024, seconds(1)).await, None);
        assert_eq!(given_up(100, 80 * 1024, seconds(20)).await, None);
        // Nothing for 29 s, once.
        assert_eq!(given_up(1, 5, seconds(29)).await, None);
        for (bytes, pause) in [(1, seconds(29)), (1, seconds(1)), (2 * 1024, seconds(1)), (1024 * 1024, seconds(31))] {
            let after = given_up(10_000, bytes, pause).await.expect("an end");
            assert!((seconds(30)..seconds(62)).contains(&after), "{bytes} bytes every {pause:?}: {after:?}");
        }
    }
}
