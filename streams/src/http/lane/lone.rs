//! Who answers an append. When no other is under way, the thread that has put it on disk does: waking the connection's own task for it
//! takes longer than the answer, and that task has nothing to do then but to wait for the next request. With others under way each
//! connection answers for itself, so that nobody's commit waits for the answers of others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::BytesMut;
use futures_util::task::AtomicWaker;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedWriteHalf;

use super::answer::Date;
use super::{AHEAD, Lane, Over, READ, Wire, short};
use crate::http::append::Appended;
use crate::http::problem::Problem;

/// An append under way.
type Append = Pin<Box<dyn Future<Output = Result<Appended, Problem>> + Send>>;

/// What becomes of the appends of one connection, one after the other. As a waker it does what there is to do at once, wherever it is
/// woken, and wakes the connection's task only when that has something to do.
#[derive(Debug)]
pub(super) struct Lone {
    lane: Lane,
    task: AtomicWaker,
    stage: Mutex<Stage>,
}

#[derive(Default)]
struct Stage {
    append: Option<Append>,
    /// The connection's, as long as an append is under way.
    write: Option<OwnedWriteHalf>,
    /// How the append has ended, until the connection's task has seen it.
    end: Option<End>,
    /// Whether the connection's task has something to do as soon as the append is answered.
    hurry: bool,
    date: Date,
}

/// How an append has ended.
pub(super) enum End {
    /// It is answered.
    Said,
    /// It is answered but for this, which the connection did not take at once.
    Rest(Vec<u8>),
    Refused(Problem),
    /// Nobody is there any more, or nothing can be said.
    Over,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("under_way", &self.append.is_some()).finish_non_exhaustive()
    }
}

/// Counts an append as under way, and lets go of it when nobody waits any more; it is done to its end either way.
struct UnderWay<'a>(&'a Lone);

impl<'a> UnderWay<'a> {
    fn begin(lone: &'a Lone, append: Append, write: OwnedWriteHalf, hurry: bool) -> Self {
        lone.lane.under_way.fetch_add(1, Ordering::Relaxed);
        let mut stage = lone.lock();
        stage.append = Some(append);
        stage.write = Some(write);
        stage.end = None;
        stage.hurry = hurry;
        drop(stage);
        Self(lone)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.lane.under_way.fetch_sub(1, Ordering::Relaxed);
        // Here, where the runtime is: the rest of it becomes a task of its own.
        let append = self.0.lock().append.take();
        drop(append);
    }
}

impl Lone {
    pub(super) fn new(lane: Lane) -> Arc<Self> {
        Arc::new(Self { lane, task: AtomicWaker::new(), stage: Mutex::default() })
    }

    /// Sees an append through, and reads ahead meanwhile. Fails when the other side leaves.
    pub(super) async fn see(
        self: &Arc<Self>,
        wire: &mut Wire,
        append: impl Future<Output = Result<Appended, Problem>> + Send + 'static,
    ) -> Result<End, Over> {
        let Wire { read, write, input, stopped, look, .. } = wire;
        let under_way = UnderWay::begin(self, Box::pin(append), write.take().ok_or(Over)?, !input.is_empty());
        let mut called = false;
        let end = std::future::poll_fn(|context| {
            loop {
                if let Some(end) = self.look(context) {
                    return Poll::Ready(Ok(end));
                }
                // Whoever waits for the next request heeds these two.
                if !called && (stopped.as_mut().poll(context).is_ready() || look.as_mut().poll(context).is_ready()) {
                    called = true;
                    self.lock().hurry = true;
                    continue;
                }
                match read_ahead(read, input, context) {
                    Poll::Ready(Ok(())) => self.lock().hurry = true,
                    Poll::Ready(Err(over)) => return Poll::Ready(Err(over)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        let end = end.await?;
        *write = self.lock().write.take();
        drop(under_way);
        Ok(end)
    }

    /// For the connection's task: how the append has ended. It is woken from here on when there is something to do.
    fn look(self: &Arc<Self>, context: &Context<'_>) -> Option<End> {
        self.task.register(context.waker());
        let mut stage = self.lock();
        if stage.end.is_none() {
            stage.go_on(self);
        }
        stage.end.take()
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        // What may panic inside is caught there.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Lone {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let alone = self.lane.under_way.load(Ordering::Relaxed) == 1;
        // Whoever has the lock may have looked too early: then its task looks again.
        let for_task = !alone || self.stage.try_lock().map_or(true, |mut stage| stage.go_on(self));
        if for_task {
            self.task.wake();
        }
    }
}

impl Stage {
    /// Does what there is to do, and tells whether the connection's task has something to do.
    fn go_on(&mut self, lone: &Arc<Lone>) -> bool {
        let Some(append) = &mut self.append else { return true };
        let waker = Waker::from(Arc::clone(lone));
        let mut context = Context::from_waker(&waker);
        // Whose thread this is must not end by it.
        let end = match catch_unwind(AssertUnwindSafe(|| append.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(Ok(appended))) => self.say(&appended, &lone.lane),
            Ok(Poll::Ready(Err(problem))) => End::Refused(problem),
            Err(_) => End::Over,
        };
        self.append = None;
        let for_task = self.hurry || !matches!(end, End::Said);
        self.end = Some(end);
        for_task
    }

    fn say(&mut self, appended: &Appended, lane: &Lane) -> End {
        let mut out = Vec::with_capacity(384);
        short::write(&mut out, appended, &lane.common, &mut self.date, lane.face.options.clock.now());
        let Some(write) = &self.write else { return End::Over };
        match write.try_write(&out) {
            Ok(written) if written == out.len() => End::Said,
            Ok(written) => End::Rest(out.split_off(written)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => End::Rest(out),
            Err(_) => End::Over,
        }
    }
}

/// Reads ahead what comes, as long as there is room; fails when the other side leaves.
fn read_ahead(
    read: &mut tokio::net::tcp::OwnedReadHalf,
    input: &mut BytesMut,
    context: &mut Context<'_>,
) -> Poll<Result<(), Over>> {
    if input.len() >= AHEAD {
        return Poll::Pending;
    }
    input.reserve(READ);
    pin!(read.read_buf(input)).poll(context).map(|read| match read {
        Ok(0) | Err(_) => Err(Over),
        Ok(_) => Ok(()),
    })
}

/// How many appends are under way.
pub(super) type Count = Arc<AtomicUsize>;
