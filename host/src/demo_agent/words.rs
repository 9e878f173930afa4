//! What the demo agent says.

use super::history::History;

/// The steps of its plan.
pub(super) const PLAN: [&str; 3] = ["Understand what is wanted", "Look at the project", "Answer"];

pub(super) fn introduction() -> String {
    "Hello! I am the **demo agent** of Towline. There is no model behind me, so my wits are few, but what you see is real: my words \
     stream, I read this directory, and I write a file when you allow it.\n\n\
     Try one of these:\n\n\
     - `What files are here?`\n\
     - `Create a file hello.txt that says \"good morning\"`\n\
     - `Show me hello.txt`\n\
     - `What did I say before?`\n\n\
     When you are ready for the real thing, log in to a coding agent on this machine and choose it for a new chat."
        .to_owned()
}

pub(super) fn thought(prompt: &str) -> String {
    format!(
        "The question is “{}”. I have no model to ask, so I look at what is really here and say what I find. ",
        short(prompt)
    )
}

pub(super) fn answer(prompt: &str) -> String {
    format!(
        "\n\nYou asked: *{}*\n\nI am only the demo agent, so I cannot think about that as a model would. What I can do, I have done: \
         you saw me think, make a plan and read the directory, and this answer came word by word. Close this page and open it again: \
         the words go on without you.\n\n\
         ```text\nprompt → plan → look → answer\n```\n\n\
         Ask me to **create a file**, and I will need your permission first.",
        short(prompt)
    )
}

pub(super) fn before_writing(path: &str) -> String {
    format!("A file named {path} is wanted. I must not write without being allowed to, so I ask first. ")
}

pub(super) fn will_write(path: &str) -> String {
    format!("I will write `{path}`. You decide.")
}

pub(super) fn wrote(path: &str) -> String {
    format!("\n\nDone: `{path}` is on the disk. Look for yourself.")
}

pub(super) fn refused(path: &str) -> String {
    format!("\n\nAll right, I leave `{path}` alone.")
}

pub(super) fn failed(path: &str, why: &str) -> String {
    format!("\n\nI could not write `{path}`: {why}.")
}

pub(super) fn found(names: &[String], more: usize) -> String {
    if names.is_empty() {
        return "This directory is empty. A good place to begin!".to_owned();
    }
    let mut said = String::from("Here is what I found:\n\n");
    for name in names {
        said.push_str("- `");
        said.push_str(name);
        said.push_str("`\n");
    }
    if more > 0 {
        said.push_str("\n… and ");
        said.push_str(&more.to_string());
        said.push_str(" more.");
    }
    said
}

pub(super) fn quoted(path: &str, text: &str) -> String {
    format!("`{path}` begins like this:\n\n```text\n{}\n```", text.replace("```", "ʼʼʼ"))
}

pub(super) fn unread(path: &str, why: &str) -> String {
    format!("I could not read `{path}`: {why}.")
}

pub(super) fn remembered(history: &History) -> String {
    let Some(last) = history.exchanges.last() else {
        return "You have not said anything to me before this.".to_owned();
    };
    format!("I remember {} of your messages. The last one was:\n\n> {}", history.exchanges.len(), short(&last.prompt))
}

/// What is to stand in a file: what the prompt puts in quotes or after a few words, else a greeting.
pub(super) fn file_text(prompt: &str, path: &str) -> String {
    let after = |marker: &str| prompt.split_once(marker).map(|(_, text)| text.trim().to_owned());
    let quoted = ['"', '“'].iter().find_map(|open| {
        let (_, rest) = prompt.split_once(*open)?;
        rest.split_once(['"', '”']).map(|(text, _)| text.to_owned())
    });
    let told = [" that says ", " with the text ", " containing ", " with the content "]
        .iter()
        .find_map(|marker| after(marker));
    let text = quoted.or(told).filter(|text| !text.is_empty());
    text.map_or_else(
        || format!("Hello from the demo agent of Towline!\n\nThis is {path}.\n"),
        |text| format!("{text}\n"),
    )
}

fn short(prompt: &str) -> String {
    let line = prompt.trim().lines().next().unwrap_or_default();
    match line.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
/// What is said of the images in a prompt; `None` when there are none.
pub(super) fn seen(blocks: &[serde_json::Value]) -> Option<String> {
    let images: Vec<String> = blocks
        .iter()
        .filter(|block| block["type"] == "image")
        .map(|block| {
            let data = block["data"].as_str().unwrap_or_default();
            let bytes = data.len() / 4 * 3 - data.bytes().rev().take_while(|byte| *byte == b'=').count();
            format!("{} of {bytes} bytes", block["mimeType"].as_str().unwrap_or("something"))
        })
        .collect();
    (!images.is_empty()).then(|| format!("I see {}. ", images.join(" and ")))
}
