//! Files over HTTP, and how often a device may ask.

use std::time::Duration;

use axum::body::Body;
use http::{Method, StatusCode, header};
use protocol::device::Right;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::router;
use super::{Ask, call, code, send};
use crate::testing::World;

#[tokio::test(start_paused = true)]
async fn a_device_that_runs_wild_is_told_when_to_come_back_and_others_are_not_slowed() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    let (_, wild) = world.device(&Right::ALL).await;
    let (_, calm) = world.device(&Right::ALL).await;
    let me = async |credential: &str| {
        send(&app, Ask::bearer(credential).request(&Method::GET, "/v1/me", Body::empty())).await
    };
    for n in 0..protocol::limits::REQUEST_BURST {
        assert_eq!(me(&wild).await.0, StatusCode::OK, "{n}");
    }
    let (status, headers, text) = me(&wild).await;
    assert_eq!((status, code(&text).as_str()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
    assert_eq!(headers[header::RETRY_AFTER], "1");
    assert_eq!(me(&calm).await.0, StatusCode::OK);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(me(&wild).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_file_comes_in_pieces_and_is_shown_as_what_it_is_and_runs_nothing() {
    let world = World::new().await;
    let app = router(world.hub.clone());
    let (_, full) = world.device(&Right::ALL).await;
    let ask = Ask::bearer(&full);
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    let begin = json!({ "name": "tide.svg", "mediaType": "image/svg+xml", "sizeBytes": svg.len() });
    let (status, text) = call(&app, &ask, Method::POST, "/v1/uploads", begin).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let upload: Value = serde_json::from_str(&text).unwrap();
    let path = format!("/v1/uploads/{}", upload["upload"].as_str().unwrap());
    let piece = async |offset: Option<&str>, body: &str| {
        let mut request = ask.request(&Method::PATCH, &path, body.to_owned());
        if let Some(offset) = offset {
            request.headers_mut().insert("upload-offset", offset.parse().unwrap());
        }
        send(&app, request).await
    };
    for offset in [None, Some("x"), Some("-1")] {
        let (status, _, text) = piece(offset, "a").await;
        assert_eq!((status, code(&text).as_str()), (StatusCode::BAD_REQUEST, "bad_request"), "{offset:?}");
    }
    assert_eq!(piece(Some("0"), &svg[..10]).await.0, StatusCode::OK);
    let (status, headers, text) = piece(Some("0"), svg).await;
    assert_eq!((status, code(&text).as_str()), (StatusCode::CONFLICT, "upload_offset"));
    assert_eq!(headers["upload-offset"], "10");
    let (_, _, text) = piece(Some("0"), &"x".repeat(protocol::limits::MAX_UPLOAD_PIECE_BYTES + 1)).await;
    assert_eq!(code(&text), "body_too_large");
    let (status, _, text) = piece(Some("10"), &svg[10..]).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let state: Value = serde_json::from_str(&text).unwrap();
    let (status, shown) = call(&app, &ask, Method::GET, &path, Value::Null).await;
    assert_eq!((status, serde_json::from_str::<Value>(&shown).unwrap()), (StatusCode::OK, state.clone()));
    let blob = format!("/v1/blobs/{}", state["blob"]["sha256"].as_str().unwrap());
    let (status, headers, body) = send(&app, ask.request(&Method::GET, &blob, Body::empty())).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, svg));
    for (name, value) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "private, no-cache"),
        ("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    // A browser asks each time whether it may still show it, and is sent it once.
    let again = async |ask: &Ask, tag: &str| {
        let mut request = ask.request(&Method::GET, &blob, Body::empty());
        request.headers_mut().insert(header::IF_NONE_MATCH, tag.parse().unwrap());
        send(&app, request).await
    };
    let tag = headers[header::ETAG].to_str().unwrap();
    let (status, known, body) = again(&ask, tag).await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!((&known[header::ETAG], &known["cache-control"]), (&headers[header::ETAG], &headers["cache-control"]));
    assert_eq!(again(&ask, "\"another\"").await.0, StatusCode::OK);
    let (_, other) = world.stranger().await;
    assert_eq!(call(&app, &Ask::bearer(&other), Method::GET, &blob, Value::Null).await.0, StatusCode::NOT_FOUND);
    assert_eq!(again(&Ask::bearer(&other), tag).await.0, StatusCode::NOT_FOUND);
    let (gone, credential) = world.device(&Right::ALL).await;
    let browser = Ask::cookie(&credential, None);
    assert_eq!(again(&browser, tag).await.0, StatusCode::NOT_MODIFIED);
    world.hub.revoke(&world.owner, gone.device).await.unwrap();
    let (status, headers, _) = again(&browser, tag).await;
    assert_eq!((status, &headers["clear-site-data"]), (StatusCode::UNAUTHORIZED, &"\"cache\"".parse().unwrap()));
}
