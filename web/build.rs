//! Builds the TypeScript UI with Vite and writes the table of its files, so that one `cargo` command makes the whole program.
//!
//! `WEB_DIST=/path` takes files that were built elsewhere; then neither Node nor npm is needed.
#![expect(clippy::disallowed_methods, reason = "a build script is configured by its environment and runs npm")]

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What Vite reads, beside the folders of `src`.
const INPUTS: [&str; 7] =
    ["index.html", "public", "package.json", "package-lock.json", ".npmrc", "tsconfig.json", "vite.config.ts"];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            println!("cargo::error={}", sentence.replace('\n', " · "));
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo did not say where the crate is")?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not say where to build")?);
    println!("cargo::rerun-if-env-changed=WEB_DIST");
    println!("cargo::rerun-if-changed=build.rs");
    let dist = if let Some(path) = env::var_os("WEB_DIST").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        println!("cargo::rerun-if-changed={}", path.display());
        path
    } else {
        inputs(&root)?;
        let dist = out.join("dist");
        vite(&root, &dist)?;
        dist
    };
    let table = table(&dist)?;
    fs::write(out.join("assets.rs"), table).map_err(|error| format!("the table of the web UI was not written: {error}"))
}

/// Names exactly what Vite reads: an edit of `lib.rs` or of a test does not build the UI again.
fn inputs(root: &Path) -> Result<(), String> {
    for name in INPUTS {
        println!("cargo::rerun-if-changed={name}");
    }
    let entries = fs::read_dir(root.join("src")).map_err(|error| format!("web/src is not readable: {error}"))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("web/src is not readable: {error}"))?;
        if entry.path().extension().is_none_or(|extension| extension != "rs") {
            println!("cargo::rerun-if-changed={}", entry.path().display());
        }
    }
    Ok(())
}

fn vite(root: &Path, dist: &Path) -> Result<(), String> {
    let lock = File::open(root.join("build.lock")).map_err(|error| format!("web/build.lock is not there: {error}"))?;
    lock.lock().map_err(|error| format!("web/build.lock cannot be locked: {error}"))?;
    if stale(root) {
        npm(root, &["ci".into(), "--include=dev".into(), "--no-audit".into(), "--no-fund".into()])?;
    }
    let args = ["run", "build", "--", "--outDir"].map(OsString::from);
    npm(root, &[&args[..], &[dist.as_os_str().to_owned()]].concat())
}

/// Whether the installed packages are missing or older than the lock file.
fn stale(root: &Path) -> bool {
    let modified = |path: PathBuf| fs::metadata(path).and_then(|meta| meta.modified());
    match (modified(root.join("node_modules/.package-lock.json")), modified(root.join("package-lock.json"))) {
        (Ok(installed), Ok(wanted)) => installed < wanted,
        _ => true,
    }
}

fn npm(root: &Path, args: &[OsString]) -> Result<(), String> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output =
        Command::new(program).args(args).current_dir(root).env("NODE_ENV", "production").output().map_err(|error| {
            format!(
                "the web UI is built with npm, which did not start ({error}): install Node 20.19 or newer, or set \
                 WEB_DIST to a folder with the built files"
            )
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("npm could not build the web UI ({}):\n{}", output.status, String::from_utf8_lossy(&said).trim()))
}

/// The source text of the table, sorted by path.
fn table(dist: &Path) -> Result<String, String> {
    let mut files = Vec::new();
    walk(dist, dist, &mut files).map_err(|error| format!("{} is not readable: {error}", dist.display()))?;
    files.sort();
    if !files.iter().any(|path| path == "index.html") {
        return Err(format!("{} has no index.html", dist.display()));
    }
    let mut table = String::from("&[\n");
    for path in files.iter().filter(|path| path.rsplit_once('.').is_none_or(|(_, extension)| extension != "br")) {
        let file = dist.join(path);
        let body = fs::read(&file).map_err(|error| format!("{} is not readable: {error}", file.display()))?;
        let packed = format!("{path}.br");
        let brotli = if files.binary_search(&packed).is_ok() {
            format!("Some(include_bytes!({}))", literal(&dist.join(&packed))?)
        } else {
            "None".to_owned()
        };
        // Vite puts a hash of the content into the name of everything below `assets/`, and of nothing else.
        writeln!(
            table,
            "    Asset {{ path: {path:?}, mime: {:?}, etag: {:?}, immutable: {}, body: include_bytes!({}), \
             brotli: {brotli} }},",
            mime(path),
            format!("\"{:016x}\"", fnv(&body)),
            path.starts_with("assets/"),
            literal(&file)?,
        )
        .map_err(|error| error.to_string())?;
    }
    table.push(']');
    Ok(table)
}

/// A path as a Rust string.
fn literal(path: &Path) -> Result<String, String> {
    path.to_str().map(|path| format!("{path:?}")).ok_or_else(|| format!("{} is not UTF-8", path.display()))
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<String>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(root, &path, files)?;
        } else if let Ok(relative) = path.strip_prefix(root) {
            files.push(relative.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(())
}

fn mime(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// FNV-1a, 64 bits: names one build's file among those of other builds; nothing is trusted because of it.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
