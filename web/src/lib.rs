//! The TypeScript UI and the table of its built files.
//!
//! The folder is an npm package and a leaf crate at once: `build.rs` runs Vite and embeds what it made. The hub serves the table;
//! every path that is neither a file of it nor below `/v1/` is a screen of the UI and gets [`index`].

/// What the UI needs of a content security policy, and nothing more: no inline script, no inline style, no other origin.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; \
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
        assert!(!scripts.is_empty() && scripts.iter().all(|file| file.immutable && file.brotli.is_some()));
    }
}
