//! The TypeScript UI and the table of its built files.
//!
//! The folder is an npm package and a leaf crate at once: `build.rs` runs Vite and embeds what it made. The hub serves the table;
//! every path that is neither a file of it nor below `/v1/` is a screen of the UI and gets [`index`].

/// What the UI needs of a content security policy, and nothing more: no inline script, no inline style, no other origin.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";

/// A built file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Its path without a leading slash, such as `assets/index-3f9a.js`.
    pub path: &'static str,
    /// Its media type, for `Content-Type`.
    pub mime: &'static str,
    /// A strong entity tag with its quotes, for `ETag`; append nothing for the Brotli form, `Vary` tells them apart.
    pub etag: &'static str,
    /// Whether the path names the content for ever (`Cache-Control: public, max-age=31536000, immutable`); otherwise `no-cache`.
    pub immutable: bool,
    /// The bytes.
    pub body: &'static [u8],
    /// The bytes in Brotli, for `Content-Encoding: br`, where that is smaller.
    pub brotli: Option<&'static [u8]>,
}

/// Every file, sorted by path.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file at a path, with or without a leading slash.
pub fn asset(path: &str) -> Option<&'static Asset> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let place = ASSETS.binary_search_by(|asset| asset.path.cmp(path)).ok()?;
    ASSETS.get(place)
}

/// The page that every screen starts from.
pub fn index() -> &'static Asset {
    asset("index.html").expect("the build script refuses a UI without index.html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_found_by_its_paths() {
        assert!(ASSETS.is_sorted_by(|a, b| a.path < b.path));
        for file in ASSETS {
            assert_eq!(asset(file.path), Some(file));
            assert_eq!(asset(&format!("/{}", file.path)), Some(file));
        }
        for path in ["", "/", "../Cargo.toml", "//index.html", "assets", "assets/"] {
            assert_eq!(asset(path), None, "{path:?}");
        }
    }

    #[test]
    fn the_page_needs_nothing_inline_and_every_script_is_immutable() {
        let page = std::str::from_utf8(index().body).unwrap();
        assert!(page.contains(r#"<script type="module" crossorigin src="/assets/"#), "{page}");
        assert!(!page.contains("<style") && !page.contains("style="), "{page}");
        assert_eq!(page.matches("<script").count(), page.matches("src=\"/assets/").count(), "{page}");
        assert!(!index().immutable);
        let scripts: Vec<_> = ASSETS.iter().filter(|file| file.mime.starts_with("text/javascript")).collect();
        let (workers, parts): (Vec<&Asset>, Vec<&Asset>) = scripts.into_iter().partition(|file| file.path == "sw.js");
        assert!(!parts.is_empty() && parts.iter().all(|file| file.immutable && file.brotli.is_some()));
        // The worker's name stays when its content changes, which is how browsers find a newer one.
        assert!(workers.len() == 1 && workers.iter().all(|file| !file.immutable));
    }

    #[test]
    fn the_worker_knows_every_file_of_its_build() {
        let worker = std::str::from_utf8(asset("sw.js").unwrap().body).unwrap();
        for file in ASSETS.iter().filter(|file| !matches!(file.path, "sw.js" | "index.html")) {
            assert!(worker.contains(&format!("/{}", file.path)), "{}", file.path);
        }
        assert!(!worker.contains("__TOWLINE_"), "{worker}");
    }

    /// What a phone on a bad network has to fetch before it shows anything: the script that the page names and all that this one
    /// imports at once, as it is sent.
    #[test]
    fn the_first_load_is_at_most_200_kb_of_script() {
        let text = |asset: &'static Asset| std::str::from_utf8(asset.body).unwrap();
        let mut wanted: Vec<&'static Asset> = Vec::new();
        let mut look = vec![text(index())];
        while let Some(source) = look.pop() {
            for (at, _) in source.match_indices(".js\"") {
                let start = source[..at].rfind('"').map_or(0, |quote| quote + 1);
                let statement = source[..start].trim_end_matches('"').trim_end();
                // `import("…")` comes later, when it is asked for; `from "…"`, `import "…"` and the page's own tags come at once.
                if !["from", "import", "src=", "href="].iter().any(|word| statement.ends_with(word)) {
                    continue;
                }
                let name = source[start..at].rsplit('/').next().unwrap_or_default();
                let Some(part) = asset(&format!("assets/{name}.js")) else { continue };
                if !wanted.contains(&part) {
                    wanted.push(part);
                    look.push(text(part));
                }
            }
        }
        let bytes: usize = wanted.iter().map(|part| part.brotli.map_or(part.body.len(), <[u8]>::len)).sum();
        assert!(!wanted.is_empty());
        assert!(bytes <= 200_000, "{bytes} bytes in {} files", wanted.len());
        // If this is far off, the search above has lost the script.
        assert!(bytes > 50_000, "{bytes} bytes in {} files", wanted.len());
    }
}
