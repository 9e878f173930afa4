use super::*;

async fn ask(method: Method, path: &str, headers: &[(HeaderName, &str)]) -> Response {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    serve(request.body(Body::empty()).unwrap()).await
}

async fn get(path: &str, headers: &[(HeaderName, &str)]) -> Response {
    ask(Method::GET, path, headers).await
}

async fn body(response: Response) -> Vec<u8> {
    axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
}

fn header_of(response: &Response, name: HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// A script of the page, and its path as the page names it.
fn script() -> (&'static Asset, String) {
    let page = std::str::from_utf8(web::index().body).unwrap();
    let start = page.find("/assets/").unwrap();
    let path: String = page[start..].chars().take_while(|&c| c != '"').collect();
    (web::asset(&path).unwrap(), path)
}

#[tokio::test]
async fn every_screen_is_the_page_and_nothing_but_the_page() {
    let html = [(header::ACCEPT, "text/html,application/xhtml+xml;q=0.9")];
    for path in
        ["/", "/pair", "/new", "/archived", "/devices", "/health", "/commands", "/s/ses_1", "/s/x/y", "/index.html"]
    {
        let response = get(path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header_of(&response, header::CACHE_CONTROL), "no-cache");
        let policy = header_of(&response, header::CONTENT_SECURITY_POLICY).to_owned();
        for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(body(response).await, web::index().body, "{path}");
    }
    assert_eq!(get("/later/screen", &html).await.status(), StatusCode::OK);
    for path in ["/later/screen", "/favicon.none"] {
        assert_eq!(get(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/v1", "/v1/", "/v1/nothing", "//v1/me", "/assets/gone.js", "/assets/", "/healthz/x"] {
        assert_eq!(get(path, &html).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn no_path_leaves_the_table() {
    for path in
        ["/assets/../Cargo.toml", "/../Cargo.toml", "/assets/%2e%2e/index.html", "/assets/..%2findex.html", "/assets//"]
    {
        assert_eq!(get(path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_hashed_file_is_kept_for_ever_and_comes_packed_to_whoever_takes_that() {
    let (asset, path) = script();
    let plain = get(&path, &[]).await;
    assert_eq!(header_of(&plain, header::CACHE_CONTROL), FOR_EVER);
    assert_eq!(header_of(&plain, header::VARY), "accept-encoding");
    assert!(header_of(&plain, header::CONTENT_TYPE).starts_with("text/javascript"));
    assert_eq!(header_of(&plain, header::CONTENT_ENCODING), "");
    assert_eq!(body(plain).await, asset.body);
    for (accept, packed) in [("gzip, br", true), ("BR;q=0.5", true), ("br;q=0, gzip", false), ("bro", false)] {
        let response = get(&path, &[(header::ACCEPT_ENCODING, accept)]).await;
        let expected = if packed { asset.brotli.unwrap() } else { asset.body };
        assert_eq!(header_of(&response, header::CONTENT_ENCODING), if packed { "br" } else { "" }, "{accept}");
        assert_eq!(header_of(&response, header::CONTENT_LENGTH), expected.len().to_string(), "{accept}");
        assert_eq!(body(response).await, expected, "{accept}");
    }
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let etag = web::index().etag;
    for tag in [etag.to_owned(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let response = get("/", &[(header::IF_NONE_MATCH, &tag)]).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{tag}");
        assert_eq!(header_of(&response, header::ETAG), etag);
        assert!(body(response).await.is_empty());
    }
    assert_eq!(get("/", &[(header::IF_NONE_MATCH, "\"x\"")]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn only_reading_is_possible() {
    let head = ask(Method::HEAD, "/", &[]).await;
    assert_eq!(header_of(&head, header::CONTENT_LENGTH), web::index().body.len().to_string());
    assert!(body(head).await.is_empty());
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let response = ask(method, "/", &[]).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header_of(&response, header::ALLOW), "GET, HEAD");
    }
}
