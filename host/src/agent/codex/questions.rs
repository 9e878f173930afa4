//! Questions: of the model, and of MCP servers.

use protocol::approval::{ApprovalContent, ApprovalKind, OptionKind, Question, QuestionOption};
use serde_json::{Map, Value, json};

use super::asks::{Asked, Offer, Results};
use crate::agent::AgentEvent;
use crate::agent::words::{list, maybe, text, title};

/// Most fields of a form that are asked.
const FIELDS: usize = 12;

/// `item/tool/requestUserInput`.
pub(super) fn user_input(message: &Value, params: &Value, cwd: &str) -> (Asked, AgentEvent) {
    let asked = list(params, "questions");
    let questions: Vec<Question> = asked
        .iter()
        .map(|question| Question {
            question: text(question, "question").to_owned(),
            header: text(question, "header").to_owned(),
            multiple: false,
            options: list(question, "options")
                .iter()
                .map(|option| QuestionOption {
                    label: text(option, "label").to_owned(),
                    description: text(option, "description").to_owned(),
                })
                .collect(),
        })
        .collect();
    let ids = asked.iter().map(|question| (text(question, "question").to_owned(), text(question, "id").to_owned()));
    let mut offer = Offer::default();
    offer.add("answer", OptionKind::Answer, "Answer", Results::Answers(ids.collect()));
    offer.add("skip", OptionKind::Deny, "Skip", Results::Fixed(json!({ "answers": {} })));
    let heading = questions.first().map(|question| title(&question.question)).unwrap_or_default();
    let content = ApprovalContent { title: heading, place: cwd.to_owned(), questions, ..ApprovalContent::default() };
    // The call that waits is not announced as an item.
    offer.ask(message, ApprovalKind::Question, content, None)
}

/// The result that answers the model's questions.
pub(super) fn answers(ids: &[(String, String)], given: &[(String, String)]) -> Value {
    let answers: Map<String, Value> = ids
        .iter()
        .filter_map(|(question, id)| {
            let (_, answer) = given.iter().find(|(asked, _)| asked == question)?;
            Some((id.clone(), json!({ "answers": [answer] })))
        })
        .collect();
    json!({ "answers": answers })
}

/// `mcpServer/elicitation/request`: a form, an address to open, or the plain question whether a tool of the server may be used.
pub(super) fn elicitation(message: &Value, params: &Value, cwd: &str) -> (Asked, AgentEvent) {
    let server = text(params, "serverName");
    let fields = match text(params, "mode") {
        "form" => params.pointer("/requestedSchema/properties").and_then(Value::as_object),
        _ => None,
    };
    let fields: Vec<(&String, &Value)> = fields.into_iter().flatten().take(FIELDS).collect();
    let form = matches!(text(params, "mode"), "form" | "url");
    let mut offer = Offer::default();
    let mut questions = Vec::new();
    if fields.is_empty() {
        // Forms of other kinds cannot be filled in from afar.
        if form {
            let accept = json!({ "action": "accept", "content": null, "_meta": null });
            offer.add("accept", OptionKind::AllowOnce, "Allow once", Results::Fixed(accept));
        }
    } else {
        let mut named = Vec::new();
        for (name, field) in fields {
            let question =
                maybe(field, "description").or_else(|| maybe(field, "title")).unwrap_or_else(|| name.clone());
            let is_switch = text(field, "type") == "boolean";
            questions.push(Question {
                question: question.clone(),
                header: maybe(field, "title").unwrap_or_else(|| name.clone()),
                multiple: false,
                options: choices(field, is_switch),
            });
            named.push((question, name.clone(), is_switch));
        }
        offer.add("answer", OptionKind::Answer, "Answer", Results::Form(named));
    }
    for (id, label, action) in [("decline", "Deny", "decline"), ("cancel", "Deny and stop", "cancel")] {
        let result = json!({ "action": action, "content": null, "_meta": null });
        offer.add(id, OptionKind::Deny, label, Results::Fixed(result));
    }
    let kind = if questions.is_empty() { ApprovalKind::Permission } else { ApprovalKind::Question };
    let content = ApprovalContent {
        title: title(&format!("{server} asks")),
        detail: [maybe(params, "message"), maybe(params, "url")].into_iter().flatten().collect::<Vec<_>>().join("\n"),
        place: cwd.to_owned(),
        questions,
        ..ApprovalContent::default()
    };
    offer.ask(message, kind, content, None)
}

fn choices(field: &Value, is_switch: bool) -> Vec<QuestionOption> {
    let option = |label: &str| QuestionOption { label: label.to_owned(), description: String::new() };
    if is_switch {
        return vec![option("Yes"), option("No")];
    }
    let plain = list(field, "enum").iter().filter_map(Value::as_str).map(option);
    let titled = list(field, "oneOf").iter().map(|choice| QuestionOption {
        label: text(choice, "const").to_owned(),
        description: text(choice, "title").to_owned(),
    });
    plain.chain(titled).collect()
}

/// The result that answers a form.
pub(super) fn form(fields: &[(String, String, bool)], given: &[(String, String)]) -> Value {
    let content: Map<String, Value> = fields
        .iter()
        .filter_map(|(question, name, is_switch)| {
            let (_, answer) = given.iter().find(|(asked, _)| asked == question)?;
            let value = if *is_switch { Value::Bool(answer == "Yes") } else { Value::String(answer.clone()) };
            Some((name.clone(), value))
        })
        .collect();
    json!({ "action": "accept", "content": content, "_meta": null })
}

#[cfg(test)]
mod tests {
    use super::super::asks;
    use super::*;
    use crate::agent::Answer;

    fn answered(message: &Value, option: &str, answers: &[(&str, &str)]) -> Value {
        let (asked, _) = asks::ask(message, None, "/p").unwrap();
        let answers = answers.iter().map(|(question, answer)| ((*question).to_owned(), (*answer).to_owned())).collect();
        let (line, _) = asked.answer(&Answer { option: option.to_owned(), message: None, answers }).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["result"].clone()
    }

    #[test]
    fn the_models_question_is_answered_by_its_own_id() {
        let message = json!({"id": 0, "method": "item/tool/requestUserInput", "params": {"itemId": "c", "questions": [
            {"id": "q1", "header": "Pick", "question": "Which color?", "options": [{"label": "Red", "description": "r"}]}]}});
        assert_eq!(
            answered(&message, "answer", &[("Which color?", "Red")]),
            json!({"answers": {"q1": {"answers": ["Red"]}}})
        );
        assert_eq!(answered(&message, "skip", &[]), json!({"answers": {}}));
    }

    #[test]
    fn a_form_of_a_server_is_filled_in_and_an_empty_one_is_a_permission() {
        let form = json!({"id": 1, "method": "mcpServer/elicitation/request", "params": {"serverName": "s", "mode": "form", "message": "m",
            "requestedSchema": {"type": "object", "properties": {"go": {"type": "boolean", "title": "Go?"}, "name": {"type": "string", "enum": ["a"]}}}}});
        let filled = json!({"action": "accept", "content": {"go": true, "name": "a"}, "_meta": null});
        assert_eq!(answered(&form, "answer", &[("Go?", "Yes"), ("name", "a")]), filled);
        let plain = json!({"id": 2, "method": "mcpServer/elicitation/request", "params": {"serverName": "s", "mode": "form", "message": "m",
            "requestedSchema": {"type": "object", "properties": {}}}});
        assert_eq!(answered(&plain, "accept", &[])["action"], "accept");
        assert_eq!(answered(&plain, "cancel", &[])["action"], "cancel");
        let odd = json!({"id": 3, "method": "mcpServer/elicitation/request", "params": {"serverName": "s", "mode": "openai/form"}});
        assert_eq!(answered(&odd, "decline", &[])["action"], "decline");
    }
}
