//! Files: in pieces, resumed where they stood, kept once, gone with what used them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use protocol::blob::{Blob, BlobId, UploadRequest, UploadState};
use protocol::error::ErrorCode;
use protocol::id::UploadId;
use protocol::limits::{MAX_BLOB_BYTES, MAX_OPEN_UPLOADS, UNUSED_BLOB_MS, UPLOAD_TTL_MS};
use protocol::path::StreamPath;
use protocol::port::{PortError, Report};
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::Misplaced;
use crate::keys;
use crate::rows::QuotaRow;
use crate::testing::{TestClock, World};

fn png(bytes: usize) -> Bytes {
    let mut image = b"\x89PNG\r\n\x1a\n".to_vec();
    image.extend((image.len()..bytes).map(|n| u8::try_from(n % 251).unwrap()));
    image.into()
}

async fn begin(world: &World, size_bytes: u64) -> UploadId {
    let request = UploadRequest { name: "tide.png".to_owned(), media_type: "image/png".to_owned(), size_bytes };
    world.hub.begin_upload(&world.owner, &request).await.unwrap().upload
}

async fn piece(world: &World, upload: UploadId, offset: u64, bytes: Bytes) -> Result<UploadState, Misplaced> {
    world.hub.add_piece(&world.owner, upload, offset, bytes).await
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Misplaced>) -> ErrorCode {
    match result {
        Err(Misplaced::Refused(problem)) => problem.code,
        other => panic!("not refused: {other:?}"),
    }
}

async fn whole(world: &World, bytes: &Bytes) -> Blob {
    let upload = begin(world, bytes.len() as u64).await;
    piece(world, upload, 0, bytes.clone()).await.unwrap().blob.expect("it is whole")
}

async fn quota(world: &World) -> QuotaRow {
    let row = world.hub.load::<QuotaRow>(&keys::quota(world.hub.account())).await.unwrap();
    row.map(|row| row.value).unwrap_or_default()
}

async fn read(world: &World, blob: BlobId) -> Option<Bytes> {
    world.port().file(blob).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_upload_goes_on_where_it_stood_even_after_a_restart() {
    let world = World::new().await;
    let image = png(300_000);
    let upload = begin(&world, 300_000).await;
    assert_eq!(piece(&world, upload, 0, image.slice(..100_000)).await.unwrap().received_bytes, 100_000);
    for wrong in [0, 99_999, 100_001, 300_000] {
        let misplaced = piece(&world, upload, wrong, image.slice(..10)).await;
        assert!(matches!(misplaced, Err(Misplaced::Offset { received: 100_000 })), "{wrong}: {misplaced:?}");
    }
    let world = world.again().await;
    let state = world.hub.upload(world.hub.account(), upload).await.unwrap();
    assert_eq!((state.received_bytes, state.blob), (100_000, None));
    piece(&world, upload, 100_000, image.slice(100_000..299_999)).await.unwrap();
    let state = piece(&world, upload, 299_999, image.slice(299_999..)).await.unwrap();
    let sha256 = BlobId::from_digest(Sha256::digest(&image).into());
    let blob = Blob { sha256, media_type: "image/png".to_owned(), size_bytes: 300_000 };
    assert_eq!((state.received_bytes, state.blob.as_ref()), (300_000, Some(&blob)));
    // The answer was lost: whoever sends the piece again hears where the upload stands, and finds the file.
    let again = piece(&world, upload, 299_999, image.slice(299_999..)).await;
    assert!(matches!(again, Err(Misplaced::Offset { received: 300_000 })), "{again:?}");
    assert_eq!(world.hub.upload(world.hub.account(), upload).await.unwrap().blob, Some(blob));
    assert_eq!(read(&world, sha256).await, Some(image));
    let (_, from) = world.hub.blob(world.hub.account(), sha256).await.unwrap();
    let pages: Vec<Bytes> = world.hub.blob_bytes(from).try_collect().await.unwrap();
    assert_eq!(pages.concat().len(), 300_000);
}

#[tokio::test(start_paused = true)]
async fn of_two_pieces_at_one_place_exactly_one_is_taken() {
    let world = World::new().await;
    let upload = begin(&world, 40).await;
    let (one, other) = (piece(&world, upload, 0, png(20)), piece(&world, upload, 0, png(20)));
    let results = tokio::join!(one, other);
    let taken = [results.0.is_ok(), results.1.is_ok()];
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
    assert_eq!(world.hub.upload(world.hub.account(), upload).await.unwrap().received_bytes, 20);
}

#[tokio::test(start_paused = true)]
async fn the_hub_looks_at_a_file_itself_and_takes_no_other_kind() {
    let world = World::new().await;
    let film = Bytes::from_static(b"\0\0\0\x20ftypisom\0\0\x02\0 and much more");
    let upload = begin(&world, 10_000_000).await;
    assert_eq!(refusal(piece(&world, upload, 0, film).await), ErrorCode::MediaUnsupported);
    // Text at first, and then not.
    let upload = begin(&world, 40).await;
    piece(&world, upload, 0, Bytes::from_static(b"this begins as text does")).await.unwrap();
    let rest = Bytes::from_static(b"\xff\xfe and it is none");
    assert_eq!(refusal(piece(&world, upload, 24, rest.slice(..16)).await), ErrorCode::MediaUnsupported);
    let gone = world.hub.upload(world.hub.account(), upload).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::NotFound);
    assert_eq!(quota(&world).await, QuotaRow::default(), "what was refused takes no room");
    let text = whole(&world, &Bytes::from_static(b"<html><script>alert(1)</script>")).await;
    assert_eq!(text.media_type, "text/plain");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_or_no_file_is_refused() {
    let world = World::new().await;
    let ask = |name: &str, size_bytes| UploadRequest { name: name.to_owned(), media_type: String::new(), size_bytes };
    for (request, code) in [
        (ask("a.png", 0), ErrorCode::BadRequest),
        (ask("../a.png", 5), ErrorCode::BadRequest),
        (ask("a.png", MAX_BLOB_BYTES + 1), ErrorCode::BodyTooLarge),
    ] {
        assert_eq!(world.hub.begin_upload(&world.owner, &request).await.unwrap_err().code, code, "{request:?}");
    }
    let upload = begin(&world, 10).await;
    assert_eq!(refusal(piece(&world, upload, 0, png(11)).await), ErrorCode::BodyTooLarge);
    for _ in 1..MAX_OPEN_UPLOADS {
        begin(&world, 10).await;
    }
    let many = world.hub.begin_upload(&world.owner, &ask("a.png", 5)).await.unwrap_err();
    assert_eq!(many.code, ErrorCode::QuotaExceeded);
    sleep(Duration::from_millis(UPLOAD_TTL_MS + 61_000)).await;
    assert_eq!(quota(&world).await, QuotaRow::default(), "after a day they are gone");
    assert!(world.hub.streams().head(&StreamPath::upload(upload)).await.unwrap().is_none());
    let sizes = std::iter::repeat_n(MAX_BLOB_BYTES, 41);
    let mut refused = None;
    for size in sizes {
        let request = ask("a.png", size);
        // Only what was announced counts here, so that the test need not send it.
        world.hub.commit(store::Batch::of(store::Put::remove("nothing"))).await.unwrap();
        if let Err(problem) = world.hub.begin_upload(&world.owner, &request).await {
            refused = Some(problem.code);
            break;
        }
    }
    assert_eq!(refused, Some(ErrorCode::QuotaExceeded));
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_are_kept_once_and_nobody_elses_are_to_be_had() {
    let world = World::new().await;
    let first = whole(&world, &png(5_000)).await;
    let second = whole(&world, &png(5_000)).await;
    assert_eq!(first, second);
    assert_eq!(quota(&world).await, QuotaRow { bytes: 5_000, open: 0 });
    let (stranger, _) = world.stranger().await;
    assert_eq!(world.hub.blob(stranger.account, first.sha256).await.unwrap_err().code, ErrorCode::NotFound);
    let (_, upload) = world.hub.blob(world.hub.account(), first.sha256).await.unwrap();
    assert_eq!(world.hub.upload(stranger.account, upload).await.unwrap_err().code, ErrorCode::NotFound);
    // Its stream is the hub's own.
    assert!(world.hub.may_read(world.hub.account(), &StreamPath::upload(upload)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_file_goes_when_no_session_uses_it() {
    let world = World::new().await;
    let generation = world.start_host().await;
    let (one, two) = (world.live_session(generation).await, world.live_session(generation).await);
    let used = whole(&world, &png(5_000)).await.sha256;
    let unused = whole(&world, &png(6_000)).await.sha256;
    for session in [one, two] {
        world.report(Report { generation, files: vec![(session, used)], ..Report::default() }).await;
    }
    world.hub.delete_session(&world.owner, one).await.unwrap();
    sleep(Duration::from_secs(70)).await;
    assert!(read(&world, used).await.is_some() && read(&world, unused).await.is_some());
    sleep(Duration::from_millis(UNUSED_BLOB_MS)).await;
    assert!(read(&world, used).await.is_some(), "another session uses it");
    assert!(read(&world, unused).await.is_none(), "its prompt never came");
    world.hub.delete_session(&world.owner, two).await.unwrap();
    sleep(Duration::from_secs(70)).await;
    assert!(read(&world, used).await.is_none());
    assert_eq!(quota(&world).await, QuotaRow::default());
    let lost = world.live_session(generation).await;
    let report = Report { generation, files: vec![(lost, used)], ..Report::default() };
    let refused = world.port().report(report).await;
    assert!(matches!(refused, Err(PortError::Refused { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_crash_before_the_last_look_leaves_an_upload_that_becomes_whole() {
    let clock = TestClock::new();
    let store = Arc::new(store::Faulty::new(store::MemoryStore::new(clock.clone())));
    let world = World::over(store.clone(), clock).await;
    let upload = begin(&world, 5_000).await;
    store.plan_commit(None);
    store.plan_commit(Some(store::CommitFault::Before));
    piece(&world, upload, 0, png(5_000)).await.unwrap_err();
    store.mend();
    let world = world.again().await;
    let state = world.hub.upload(world.hub.account(), upload).await.unwrap();
    assert_eq!(state.blob.map(|blob| blob.size_bytes), Some(5_000));
    assert_eq!(quota(&world).await, QuotaRow { bytes: 5_000, open: 0 });
}
