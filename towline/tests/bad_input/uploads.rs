//! The door of uploads: files that are too large, of another kind than they say, out of order, or somebody else's; and pages and
//! pictures that would run something in a browser that opens them.

use protocol::limits::{MAX_ATTACHMENTS, MAX_BLOB_BYTES, MAX_OPEN_UPLOADS, MAX_UPLOAD_PIECE_BYTES};
use serde_json::{Value, json};

use crate::canary::Canary;
use crate::http::Want::Problem;
use crate::http::{Ask, ID, ask, command, exchange, get, judge, stranger};
use crate::row::Outcome;
use crate::world::World;

struct Door<'a> {
    canary: &'a Canary,
}

fn begin(name: &str, media_type: &str, size: u64) -> Ask {
    ask("POST /v1/uploads").body(json!({"name": name, "mediaType": media_type, "sizeBytes": size}).to_string())
}

fn piece(path: &str, offset: &str, bytes: impl Into<Vec<u8>>) -> Ask {
    ask(&format!("PATCH {path}")).header(format!("Upload-Offset: {offset}")).body(bytes)
}

impl Door<'_> {
    fn say(&self, ask: &Ask) -> (String, Value) {
        let answer = exchange(&self.canary.address(), &ask.bytes(self.canary));
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// The path of a new upload.
    fn upload(&self, size: u64) -> String {
        let (_, state) = self.say(&begin("a.txt", "text/plain", size));
        format!("/v1/uploads/{}", state["upload"].as_str().unwrap_or_else(|| panic!("{state}")))
    }

    /// A file that is whole.
    fn whole(&self, name: &str, media_type: &str, bytes: &str) -> Value {
        let (_, state) = self.say(&begin(name, media_type, bytes.len() as u64));
        let path = format!("/v1/uploads/{}", state["upload"].as_str().unwrap());
        self.say(&piece(&path, "0", bytes)).1["blob"].clone()
    }

    fn refused(&self, input: &str, status: u16, code: &'static str, ask: &Ask) -> Outcome {
        judge(input, Problem(status, code), &exchange(&self.canary.address(), &ask.bytes(self.canary)), self.canary)
    }

    /// What a browser is told about a file that it opens.
    fn opened(&self, input: &str, name: &str, media_type: &str, bytes: &str) -> Outcome {
        let blob = self.whole(name, media_type, bytes);
        let (head, _) = self.say(&get(format!("/v1/blobs/{}", blob["sha256"].as_str().unwrap())));
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or("-").to_owned()
        };
        let policy = header("content-security-policy");
        let sandboxed = policy.contains("default-src 'none'") && policy.contains("sandbox");
        Outcome {
            input: input.to_owned(),
            wanted: "text/plain; charset=utf-8, nosniff, sandboxed".to_owned(),
            got: format!(
                "{}, {}, {}",
                header("content-type"),
                header("x-content-type-options"),
                if sandboxed { "sandboxed" } else { &policy }
            ),
            next_step: true,
            unharmed: self.canary.unharmed(),
        }
    }
}

pub(crate) fn rows() -> Vec<Outcome> {
    let world = World::new();
    let node = world.up(&["--listen", "127.0.0.1:0"]);
    let canary = Canary::sing(&world, &node);
    let door = Door { canary: &canary };
    let refused = |input: &str, status, code, ask: &Ask| door.refused(input, status, code, ask);
    let mut rows = vec![
        refused("a file of 25 000 001 bytes", 413, "body_too_large", &begin("a.png", "image/png", MAX_BLOB_BYTES + 1)),
        refused("a file of 2^63 bytes", 413, "body_too_large", &begin("a.png", "image/png", 1 << 63)),
        refused("a file of no bytes", 400, "bad_request", &begin("a.png", "image/png", 0)),
        refused("a file whose name is a path", 400, "bad_request", &begin("../../a.png", "image/png", 9)),
        refused("an upload that is not there", 404, "not_found", &get(format!("/v1/uploads/upl_{ID}"))),
        refused(
            "a piece of an upload that is not there",
            404,
            "not_found",
            &piece(&format!("/v1/uploads/upl_{ID}"), "0", "a"),
        ),
        refused("an upload id of another kind", 404, "not_found", &piece(&format!("/v1/uploads/ses_{ID}"), "0", "a")),
        refused("a file that is not there", 404, "not_found", &get(format!("/v1/blobs/{}", "0".repeat(64)))),
        refused("a file by a name that is no hash", 404, "not_found", &get("/v1/blobs/..%2f..%2flocal.token")),
    ];
    let path = door.upload(20);
    let stranger = |method: &str| stranger(&format!("{method} {path}")).header("Upload-Offset: 0").body("a");
    rows.extend([
        refused("somebody who asks for an upload of others", 401, "unauthenticated", &stranger("GET")),
        refused("somebody who adds to an upload of others", 401, "unauthenticated", &stranger("PATCH")),
        refused("a piece without a place", 400, "bad_request", &ask(&format!("PATCH {path}")).body("a")),
        refused("a piece whose place is a word", 400, "bad_request", &piece(&path, "here", "a")),
        refused("a piece before the beginning", 400, "bad_request", &piece(&path, "-1", "a")),
        refused("a piece out of order", 409, "upload_offset", &piece(&path, "10", "0123456789")),
        refused(
            "a piece of more than 1 MiB",
            413,
            "body_too_large",
            &piece(&path, "0", vec![b'a'; MAX_UPLOAD_PIECE_BYTES + 1]),
        ),
        refused("more than was announced", 413, "body_too_large", &piece(&path, "0", "a".repeat(21))),
    ]);
    door.say(&piece(&path, "0", "0123456789"));
    rows.push(refused("a piece that is there already", 409, "upload_offset", &piece(&path, "0", "0123456789")));
    rows.push(refused("a piece behind a gap", 409, "upload_offset", &piece(&path, "11", "a")));
    let film = b"\0\0\0\x20ftypisom\0\0\x02\0 and much more".to_vec();
    rows.push(refused("a film called a picture", 415, "media_unsupported", &piece(&door.upload(1_000), "0", film)));
    let turns = door.upload(24);
    door.say(&piece(&turns, "0", "this begins so"));
    rows.push(refused(
        "a text that turns into bytes",
        415,
        "media_unsupported",
        &piece(&turns, "14", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe".to_vec()),
    ));
    let page = "<!doctype html><script>fetch('/v1/me')</script>";
    let picture = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    rows.push(door.opened("a page that is opened", "a.html", "text/html", page));
    rows.push(door.opened("a page called a picture, opened", "a.png", "image/png", &format!("{page} ")));
    rows.push(door.opened("a picture with a script, opened", "a.svg", "image/svg+xml", picture));
    rows.extend(prompts(&door));
    // Those that are not whole are these: one more is refused, and none of them takes the room of what is said.
    let open = begin("a.txt", "text/plain", 9).bytes(&canary);
    for _ in 0..MAX_OPEN_UPLOADS {
        exchange(&canary.address(), &open);
    }
    let last = exchange(&canary.address(), &open);
    rows.push(judge("one more upload than may be open", Problem(507, "quota_exceeded"), &last, &canary));
    assert_eq!(node.stop().0, Some(0));
    rows
}

/// Files with a prompt that are not what the prompt says.
fn prompts(door: &Door<'_>) -> Vec<Outcome> {
    let host = door.say(&get("/v1/me")).1["host"].as_str().unwrap().to_owned();
    let good = door.whole("a.txt", "text/plain", "a text that is there");
    let with = |number: u32, files: Value| {
        let body = json!({"kind": "send_prompt", "session": door.canary.session, "content": {"text": "[[say x]]", "attachments": files}});
        let id = crate::row::command_id(0xb000, number.into());
        command(json!({"id": id, "host": host, "ttlMs": null, "body": body}).to_string())
    };
    let file = |name: &str, sha: &str, size: u64| json!({"blob": sha, "name": name, "mediaType": "text/plain", "sizeBytes": size});
    let sha = good["sha256"].as_str().unwrap();
    let many: Vec<Value> = (0..=MAX_ATTACHMENTS).map(|_| file("a.txt", sha, 20)).collect();
    vec![
        door.refused("a prompt with eleven files", 422, "invalid", &with(1, json!(many))),
        door.refused(
            "a prompt with a file whose name is a path",
            422,
            "invalid",
            &with(2, json!([file("../a", sha, 20)])),
        ),
        door.refused("a prompt with a file of no bytes", 422, "invalid", &with(3, json!([file("a.txt", sha, 0)]))),
        door.refused(
            "a prompt with a hash that is none",
            400,
            "bad_request",
            &with(4, json!([file("a.txt", "../../etc/passwd", 20)])),
        ),
    ]
}
