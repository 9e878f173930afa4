//! Numbers for Prometheus, on a router of their own.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderValue, Method, header};

use crate::Streams;

/// Methods that are told apart; others count as the last.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OTHER"];
/// Upper bounds of how long an append takes, in microseconds.
const BOUNDS_US: [u64; 12] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

/// What a face has done since it was made. No label holds a path, a client or a credential, so their number is fixed.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By method and by hundreds of the status, from 1xx.
    requests: [[AtomicU64; 5]; METHODS.len()],
    appended_bytes: AtomicU64,
    append_us: AtomicU64,
    appends: [AtomicU64; BOUNDS_US.len() + 1],
    /// SSE responses and long-polls that are open.
    live: AtomicU64,
}

/// A live read that is open; dropping it ends it.
#[derive(Debug)]
pub(super) struct Open(Arc<Metrics>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    pub(super) fn opened(self: &Arc<Self>) -> Open {
        self.live.fetch_add(1, Relaxed);
        Open(Arc::clone(self))
    }

    pub(super) fn answered(&self, method: &Method, status: u16) {
        let index = METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(METHODS.len() - 1);
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.requests[index][class].fetch_add(1, Relaxed);
    }

    pub(super) fn appended(&self, bytes: usize, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.appended_bytes.fetch_add(bytes as u64, Relaxed);
        self.append_us.fetch_add(us, Relaxed);
        let index = BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS_US.len());
        self.appends[index].fetch_add(1, Relaxed);
    }

    /// The numbers in the text format of Prometheus, version 0.0.4.
    fn text(&self, followed: usize) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, about: &str, samples: &[(String, String)]| {
            let head = format!("# HELP {name} {about}\n# TYPE {name} {kind}\n");
            out.push_str(&head);
            for (label, value) in samples {
                // Writing to a text cannot fail.
                let _written = writeln!(out, "{name}{label} {value}");
            }
        };
        let mut requests = Vec::new();
        for (method, classes) in METHODS.iter().zip(&self.requests) {
            for (class, count) in classes.iter().enumerate().filter(|(_, count)| count.load(Relaxed) > 0) {
                let label = format!("{{method=\"{method}\",status=\"{}xx\"}}", class + 1);
                requests.push((label, count.load(Relaxed).to_string()));
            }
        }
        family("towline_streams_requests_total", "counter", "Requests answered.", &requests);
        let plain = |value: u64| [(String::new(), value.to_string())];
        let bytes = plain(self.appended_bytes.load(Relaxed));
        family("towline_streams_appended_bytes_total", "counter", "Bytes of bodies appended and durable.", &bytes);
        let mut sum = 0;
        let mut buckets = Vec::new();
        for (index, count) in self.appends.iter().enumerate() {
            sum += count.load(Relaxed);
            let bound = BOUNDS_US.get(index).map_or_else(|| "+Inf".to_owned(), |us| seconds(*us));
            buckets.push((format!("_bucket{{le=\"{bound}\"}}"), sum.to_string()));
        }
        buckets.push(("_sum".to_owned(), seconds(self.append_us.load(Relaxed))));
        buckets.push(("_count".to_owned(), sum.to_string()));
        let about = "Time from the whole body to durable.";
        family("towline_streams_append_duration_seconds", "histogram", about, &buckets);
        let live = plain(self.live.load(Relaxed));
        family("towline_streams_live_reads", "gauge", "SSE responses and long-polls that are open.", &live);
        let about = "Streams that somebody follows.";
        family("towline_streams_followed", "gauge", about, &plain(followed as u64));
        out
    }
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// `GET /metrics`, for a listener of its own: who may scrape need not be who may read, and the other way round.
pub fn metrics_router(metrics: Arc<Metrics>, streams: Streams) -> Router {
    let scrape = move || {
        let text = metrics.text(streams.followed());
        std::future::ready(text_response(text))
    };
    Router::new().route("/metrics", get(scrape))
}

fn text_response(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_a_scraper_reads() {
        let metrics = Arc::new(Metrics::default());
        metrics.answered(&Method::POST, 204);
        metrics.answered(&Method::PATCH, 405);
        metrics.appended(7, Duration::from_micros(300));
        metrics.appended(1, Duration::from_secs(9));
        let open = metrics.opened();
        let text = metrics.text(3);
        for line in [
            "towline_streams_requests_total{method=\"POST\",status=\"2xx\"} 1",
            "towline_streams_requests_total{method=\"OTHER\",status=\"4xx\"} 1",
            "towline_streams_appended_bytes_total 8",
            "towline_streams_append_duration_seconds_bucket{le=\"0.000250\"} 0",
            "towline_streams_append_duration_seconds_bucket{le=\"0.000500\"} 1",
            "towline_streams_append_duration_seconds_bucket{le=\"+Inf\"} 2",
            "towline_streams_append_duration_seconds_sum 9.000300",
            "towline_streams_append_duration_seconds_count 2",
            "towline_streams_live_reads 1",
            "towline_streams_followed 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        drop(open);
        assert!(metrics.text(0).contains("towline_streams_live_reads 0"));
    }
}
