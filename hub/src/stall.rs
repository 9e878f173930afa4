//! Connections whose other end does not take what is written are cut: whoever asks and never reads would hold one for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A connection that fails with [`io::ErrorKind::TimedOut`] when nothing at all of what is written is taken for so long.
#[derive(Debug)]
pub struct Patient<I> {
    io: I,
    limit: Duration,
    /// Runs while something waits to be taken.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<I> Patient<I> {
    /// The same connection, with a limit.
    pub const fn new(io: I, limit: Duration) -> Self {
        Self { io, limit, waiting: None }
    }

    /// What becomes of an attempt to write.
    fn judge<T>(&mut self, cx: &mut Context<'_>, tried: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if tried.is_ready() {
            self.waiting = None;
            return tried;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.io).poll_write(cx, buf);
        self.judge(cx, tried)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.judge(cx, tried)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.io).poll_flush(cx);
        self.judge(cx, tried)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.io).poll_shutdown(cx);
        self.judge(cx, tried)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, timeout};

    const STALL: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up_and_who_is_slow_is_not() {
        let (here, mut there) = tokio::io::duplex(8);
        let mut line = Patient::new(here, STALL);
        let reader = tokio::spawn(async move {
            for _ in 0..8 {
                sleep(STALL.mul_f32(0.9)).await;
                there.read_exact(&mut [0; 8]).await.expect("bytes");
            }
            there
        });
        line.write_all(&[0; 64]).await.expect("a slow reader is served");
        let there = reader.await.expect("the reader");
        let began = Instant::now();
        let error = timeout(STALL * 2, line.write_all(&[0; 64])).await.expect("an end").expect_err("nobody reads");
        assert_eq!((error.kind(), began.elapsed() >= STALL), (io::ErrorKind::TimedOut, true));
        drop(there);
    }
}
