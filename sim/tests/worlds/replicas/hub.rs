//! The hub's side: it lets in the newest start of a node, and takes over what that one pushes after its last hello.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use protocol::link::Chain;
use protocol::offset::Offset;
use serde_json::{Value, json};
use sim::Disk;
use store::{Batch, CommitError, Expected, Put};
use streams::{ExtendError, Extension, Replicas, Streams};

use super::paths;

/// Beside the replicas: which start of the node they are from, and the number of the hello that let it in.
const SEAT: &str = "seat";

pub(crate) fn serve(disk: &Disk) -> LocalBoxFuture<'static, turmoil::Result> {
    let streams = Streams::new(Arc::new(disk.clone()));
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let streams = streams.clone();
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await?.to_bytes();
            let ask: Value = serde_json::from_slice(&body).expect("a node speaks JSON");
            let (status, said) = match path.as_str() {
                "/hello" => hello(&streams, &ask).await,
                "/push" => push(&streams, &ask).await,
                _ => read(&streams, &ask).await,
            };
            let response = Response::builder().status(status).body(Full::new(Bytes::from(said.to_string())));
            Ok::<_, hyper::Error>(response.expect("a response"))
        }
    });
    Box::pin(sim::serve(service))
}

type Said = (StatusCode, Value);

fn later() -> Said {
    (StatusCode::SERVICE_UNAVAILABLE, Value::Null)
}

/// A start of a node wants to be let in.
async fn hello(streams: &Streams, ask: &Value) -> Said {
    let Ok(seat) = streams.get(SEAT).await else { return later() };
    let start = |value: &Value| (value["generation"].as_u64().expect("a number"), value["life"].as_u64());
    let mut number = 1;
    if let Some(entry) = &seat {
        let sits: Value = serde_json::from_slice(&entry.value).expect("written here");
        let (old, new) = (start(&sits), start(ask));
        if new.0 < old.0 || (new.0 == old.0 && new.1 != old.1) {
            return (StatusCode::GONE, Value::Null);
        }
        number += sits["hello"].as_u64().expect("a number");
    }
    let mut sits = ask.clone();
    sits["hello"] = number.into();
    let expected = seat.map_or(Expected::Absent, |entry| Expected::Version(entry.version));
    let put = Put::set(SEAT, sits.to_string()).expecting(expected);
    if streams.commit(Batch::of(put)).await.is_err() {
        return later();
    }
    let mut tails = Vec::new();
    for path in paths() {
        match streams.replica(&path).await {
            Ok(replica) => tails.push(replica.map_or(0, |replica| replica.tail.byte)),
            Err(_) => return later(),
        }
    }
    (StatusCode::OK, json!({ "tails": tails, "hello": number }))
}

/// Pieces of streams, all or none of them.
async fn push(streams: &Streams, ask: &Value) -> Said {
    let Ok(Some(seat)) = streams.get(SEAT).await else { return later() };
    let sits: Value = serde_json::from_slice(&seat.value).expect("written here");
    if sits["generation"] != ask["generation"] || sits["life"] != ask["life"] {
        return (StatusCode::GONE, Value::Null);
    }
    // On its way since before the node looked anew: as what comes by a connection that another has followed.
    if sits["hello"] != ask["hello"] {
        return later();
    }
    // Of two connections only one writes: who sits there says so in the commit itself.
    let mut batch = Batch::of(Put::set(SEAT, seat.value).expecting(Expected::Version(seat.version)));
    let mut replicas = Replicas::new(streams, "application/json");
    for piece in ask["pieces"].as_array().expect("pieces") {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let extension = Extension {
            stream: text(&piece["stream"]).parse().expect("a path"),
            at: Offset::new(0, piece["at"].as_u64().expect("a number")),
            before: text(&piece["before"]).parse::<Chain>().expect("a chain"),
            messages: piece["messages"].as_array().expect("messages").iter().map(|one| text(one).into()).collect(),
            close: piece["close"] == true,
        };
        match replicas.append_at(&mut batch, extension).await {
            Ok(_) => {}
            Err(ExtendError::Mismatch(_)) => return (StatusCode::CONFLICT, Value::Null),
            Err(ExtendError::Read(_)) => return later(),
        }
    }
    match streams.commit(batch).await {
        Ok(_) => (StatusCode::OK, Value::Null),
        Err(CommitError::Conflict { .. } | CommitError::Broken { .. } | CommitError::Full { .. }) => later(),
    }
}

/// What a reader has not read yet of a stream.
async fn read(streams: &Streams, ask: &Value) -> Said {
    let path = ask["stream"].as_str().expect("text").parse().expect("a path");
    let from = Offset::new(0, ask["from"].as_u64().expect("a number"));
    match streams.read(&path, Some(from), 2_000, 100).await {
        Ok(page) => {
            let text = |body: &Bytes| String::from_utf8(body.to_vec()).expect("JSON is text");
            let messages: Vec<String> = page.messages.iter().map(|message| text(&message.body)).collect();
            let closed = page.head.closed && page.next == page.head.tail;
            (StatusCode::OK, json!({ "messages": messages, "next": page.next.byte, "closed": closed }))
        }
        Err(store::ReadError::NoStream { .. }) => (StatusCode::NOT_FOUND, Value::Null),
        Err(_) => later(),
    }
}
