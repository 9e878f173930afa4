//! How to speak to a running Claude Code.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use serde_json::{Value, json};

use super::mapper::ClaudeMapper;
use crate::agent::link::Link;
use crate::agent::words::text;
use crate::agent::{Answer, DriveError, Driver, Image, Later, Setting, Steered};

/// Longest that a change of model, mode or effort may take.
const CHANGE: Duration = Duration::from_secs(10);

/// A running Claude Code.
#[derive(Debug)]
pub(super) struct ClaudeDriver {
    link: Link<ClaudeMapper>,
    tag: String,
    prompts: u64,
}

impl ClaudeDriver {
    pub(super) const fn new(link: Link<ClaudeMapper>, tag: String) -> Self {
        Self { link, tag, prompts: 0 }
    }

    async fn change(&self, request: &Value) -> Result<(), DriveError> {
        self.ask(request).await.map(|_| ())
    }

    async fn ask(&self, request: &Value) -> Result<Value, DriveError> {
        let (id, line) = self.link.with(|mapper| mapper.control(request));
        let answered = self.link.request(id, line, CHANGE).await?;
        answered.map_err(|refusal| DriveError::Refused { detail: refusal.message })
    }
}

impl Driver for ClaudeDriver {
    fn prompt<'a>(&'a mut self, text: &'a str) -> Later<'a, Result<(), DriveError>> {
        self.prompt_with(text, &[])
    }

    fn takes_images(&self) -> bool {
        true
    }

    fn prompt_with<'a>(&'a mut self, text: &'a str, images: &'a [Image]) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            self.prompts += 1;
            let uuid = uuid(&self.tag, self.prompts);
            self.link.with(|mapper| mapper.prompted(&uuid));
            self.link.write(prompt_line(text, images, &uuid)).await
        })
    }

    fn steer<'a>(
        &'a mut self,
        key: &'a str,
        text: &'a str,
        images: &'a [Image],
    ) -> Later<'a, Result<Steered, DriveError>> {
        Box::pin(async move {
            if !self.link.with(|mapper| mapper.tells_of_prompts) {
                // What it folds in without a word would be shown as a turn of its own for ever.
                let detail = "this version of Claude Code does not say what becomes of such a prompt".to_owned();
                return Err(DriveError::Refused { detail });
            }
            self.prompts += 1;
            let uuid = uuid(&self.tag, self.prompts);
            self.link.with(|mapper| mapper.steered(&uuid, key));
            self.link.write(prompt_line(text, images, &uuid)).await?;
            Ok(Steered::Later)
        })
    }

    fn unsteer<'a>(&'a mut self, key: &'a str) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            let late = || DriveError::Refused { detail: "Claude Code has taken it in already".to_owned() };
            let uuid = self.link.with(|mapper| mapper.steered_as(key)).ok_or_else(late)?;
            let answer = self.ask(&json!({ "subtype": "cancel_async_message", "message_uuid": uuid })).await?;
            if answer.get("cancelled") == Some(&Value::Bool(true)) { Ok(()) } else { Err(late()) }
        })
    }

    fn interrupt(&mut self) -> Later<'_, Result<(), DriveError>> {
        Box::pin(async move {
            let line = self.link.with(ClaudeMapper::interrupt);
            self.link.write(line).await
        })
    }

    fn answer<'a>(&'a mut self, request: &'a str, answer: Answer) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            let line = self.link.with(|mapper| mapper.answer(request, &answer))?;
            self.link.write(line).await
        })
    }

    fn set_options(&mut self, model: Option<String>, mode: Option<String>) -> Later<'_, Result<(), DriveError>> {
        Box::pin(async move {
            if let Some(model) = model {
                self.change(&json!({ "subtype": "set_model", "model": model })).await?;
            }
            if let Some(mode) = mode {
                self.change(&json!({ "subtype": "set_permission_mode", "mode": mode })).await?;
            }
            Ok(())
        })
    }

    fn set_effort<'a>(&'a mut self, effort: &'a str) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            let wanted = json!({ "subtype": "apply_flag_settings", "settings": { "effortLevel": effort } });
            // A version that does not know how is opened anew with the flag; so is one that says yes and does otherwise.
            match self.ask(&wanted).await {
                Ok(_) => {}
                Err(DriveError::Refused { .. }) => return Err(DriveError::Reopen),
                Err(error) => return Err(error),
            }
            let settings = self.ask(&json!({ "subtype": "get_settings" })).await.unwrap_or_default();
            let applied = settings.get("applied").map(|applied| text(applied, "effort"));
            if applied == Some(effort) { Ok(()) } else { Err(DriveError::Reopen) }
        })
    }

    fn to_default(&mut self, setting: Setting) -> Later<'_, Result<(), DriveError>> {
        Box::pin(async move {
            match setting {
                Setting::Model => match self.change(&json!({ "subtype": "set_model", "model": null })).await {
                    Err(DriveError::Refused { .. }) => Err(DriveError::Reopen),
                    other => other,
                },
                // What it is told by a flag it has no word to be told otherwise.
                Setting::Effort => Err(DriveError::Reopen),
            }
        })
    }

    fn close(self: Box<Self>) -> Later<'static, ()> {
        Box::pin(self.link.close())
    }
}

fn prompt_line(text: &str, images: &[Image], uuid: &str) -> String {
    let mut content: Vec<Value> = images
        .iter()
        .map(|image| {
            let source = json!({ "type": "base64", "media_type": image.media_type, "data": image.base64() });
            json!({ "type": "image", "source": source })
        })
        .collect();
    // A text block without a word is refused by the vendor.
    if !text.is_empty() || content.is_empty() {
        content.push(json!({ "type": "text", "text": text }));
    }
    json!({
        "type": "user",
        "message": { "role": "user", "content": content },
        "parent_tool_use_id": null,
        "session_id": "",
        "uuid": uuid,
    })
    .to_string()
}

/// The id of a prompt, in the form of a UUID of version 4 as the CLI wants it: from the random tag of the process and a count, so that
/// it is as unique as the tag.
fn uuid(tag: &str, count: u64) -> String {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, tag, count).hash(&mut hasher);
        hasher.finish()
    };
    let (high, low) = (half(0), half(1));
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_go_before_the_words_as_blocks_of_their_own() {
        let image = Image { media_type: "image/png".to_owned(), bytes: bytes::Bytes::from_static(b"\x89PNG") };
        let content = |text: &str, images: &[Image]| {
            let line: Value = serde_json::from_str(&prompt_line(text, images, "u")).expect("a line");
            line["message"]["content"].clone()
        };
        let block =
            json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBORw==" } });
        let words = json!({ "type": "text", "text": "what is it?" });
        assert_eq!(content("what is it?", &[]), json!([words]));
        assert_eq!(content("what is it?", std::slice::from_ref(&image)), json!([block, words]));
        assert_eq!(content("", &[image]), json!([block]));
    }

    #[test]
    fn ids_of_prompts_are_uuids_and_differ() {
        let one = uuid("a", 1);
        assert_eq!(one.len(), 36);
        assert_eq!((one.as_bytes()[14], one.as_bytes()[8]), (b'4', b'-'));
        assert!(matches!(one.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert_ne!(one, uuid("a", 2));
        assert_ne!(one, uuid("b", 1));
    }
}
