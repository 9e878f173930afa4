//! A subscription gives nobody more than the streams themselves do.

use axum::response::IntoResponse;
use http::StatusCode;

use super::*;
use crate::http::Action;
use crate::pattern;

/// Whoever asks may do everything below `tenants/a/` and to subscriptions whose names begin with `a-`, read `news/*`, and nothing else.
async fn tenant() -> Woken {
    let world = World::new();
    for stream in ["tenants/a/wake", "tenants/b/feed", "tenants/a/x", "tenants/b/x", "news/1"] {
        world.ask("PUT", stream, &[JSON], "[]").await;
    }
    Woken::with(world, |options| {
        options.access = Arc::new(|_, path, action| {
            let (all, read) = (["tenants/a/**", "__ds/subscriptions/a-*"], ["news/*"]);
            let fits = if action == Action::ReadAll { pattern::covers } else { pattern::fits };
            let reads = matches!(action, Action::Read | Action::ReadAll);
            let allowed =
                all.iter().any(|on| fits(on, path.as_str())) || reads && read.iter().any(|on| fits(on, path.as_str()));
            if allowed { Ok(()) } else { Err(Box::new(StatusCode::FORBIDDEN.into_response())) }
        });
    })
    .await
}

#[tokio::test]
async fn a_subscription_needs_the_rights_of_what_it_tells_and_writes() {
    let woken = tenant().await;
    let hook = json!({"url": "https://example.com/"});
    for (name, wish, expected) in [
        ("a-1", json!({"type": "pull-wake", "pattern": "tenants/a/**", "wake_stream": "tenants/b/feed"}), 403),
        ("a-1", json!({"type": "pull-wake", "pattern": "tenants/a/**", "wake_stream": "news/1"}), 403),
        ("a-1", json!({"type": "pull-wake", "pattern": "**", "wake_stream": "tenants/a/wake"}), 403),
        ("a-1", json!({"type": "webhook", "pattern": "tenants/*/x", "webhook": hook}), 403),
        ("a-1", json!({"type": "webhook", "pattern": "news/**", "webhook": hook}), 403),
        ("a-1", json!({"type": "webhook", "streams": ["tenants/a/x", "tenants/b/x"], "webhook": hook}), 403),
        ("b-1", json!({"type": "webhook", "streams": ["tenants/a/x"], "webhook": hook}), 403),
        ("a-1", json!({"type": "webhook", "streams": ["tenants/a/x", "news/1"], "webhook": hook}), 201),
        ("a-2", json!({"type": "webhook", "pattern": "news/*", "webhook": hook}), 201),
        ("a-3", json!({"type": "pull-wake", "pattern": "tenants/a/**", "wake_stream": "tenants/a/wake"}), 201),
        ("a-3", json!({}), 400),
    ] {
        assert_eq!(woken.sub("PUT", name, None, wish.clone()).await.0, expected, "{name} {wish}");
    }
    for (stream, expected) in [("tenants/b/x", 403), ("news/1", 204)] {
        let (status, _) = woken.sub("POST", "a-3/streams", None, json!({ "streams": [stream] })).await;
        assert_eq!(status, expected, "{stream}");
    }
}
