//! Forms that an agent has filled in (`elicitation/create`): each field is a question, with its choices where it has some.

use protocol::approval::{ApprovalContent, ApprovalKind, ApprovalOption, OptionKind, Question, QuestionOption};
use serde_json::{Map, Value, json};

use super::asks::Asked;
use super::codec;
use crate::agent::words::{clip, list, maybe, text};
use crate::agent::{AgentEvent, Answer, DriveError};

/// Most fields that are shown; a form with more is declined.
const FIELDS: usize = 16;
/// Longest text of a question, in characters.
const QUESTION_CHARS: usize = 600;
/// What a field beside a choice is called that takes an answer in one's own words.
const OWN_WORDS: &str = "_custom";

/// One field of a form.
#[derive(Debug, Clone, PartialEq)]
struct Field {
    key: String,
    question: Question,
    sort: Sort,
    /// Labels, and what the agent calls them.
    choices: Vec<(String, Value)>,
    /// The field for an answer that is none of the choices.
    own_words: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sort {
    Text,
    Number,
    Integer,
    Truth,
    Several,
}

/// A form that is not answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    fields: Vec<Field>,
}

/// Makes an ask of a form; `None` for one that cannot be shown.
pub(super) fn ask(id: &Value, params: &Value, cwd: &str) -> Option<(Asked, AgentEvent)> {
    if !matches!(text(params, "mode"), "form" | "") {
        return None;
    }
    let message = clip(text(params, "message"), QUESTION_CHARS);
    let form = Form::read(params.get("requestedSchema")?, &message)?;
    let tool = text(params, "toolCallId").to_owned();
    let options = vec![
        ApprovalOption { id: "answer".to_owned(), kind: OptionKind::Answer },
        ApprovalOption { id: "deny".to_owned(), kind: OptionKind::Deny },
    ];
    let content = ApprovalContent {
        title: if message.is_empty() { "The agent asks".to_owned() } else { message },
        detail: String::new(),
        place: cwd.to_owned(),
        reason: None,
        labels: vec!["Answer".to_owned(), "Deny".to_owned()],
        questions: form.fields.iter().map(|field| field.question.clone()).collect(),
        ..ApprovalContent::default()
    };
    let item = (!tool.is_empty()).then(|| tool.clone());
    let request = codec::key(id);
    let event = AgentEvent::Ask { request, item, kind: ApprovalKind::Question, options, content };
    Some((Asked::form(id, tool, form), event))
}

/// The line that says that nobody will fill in a form.
pub(super) fn declined(id: &Value) -> String {
    codec::answer(id, &json!({ "action": "decline" }))
}

impl Form {
    fn read(schema: &Value, message: &str) -> Option<Self> {
        let properties = schema.get("properties")?.as_object()?;
        let of_own_words = |key: &str| key.strip_suffix(OWN_WORDS).is_some_and(|base| properties.contains_key(base));
        let mut fields: Vec<Field> = Vec::new();
        for (key, schema) in properties.iter().filter(|(key, _)| !of_own_words(key)) {
            fields.push(Field::read(key, schema, properties)?);
        }
        if fields.is_empty() || fields.len() > FIELDS {
            return None;
        }
        if let [only] = fields.as_mut_slice()
            && !message.is_empty()
        {
            message.clone_into(&mut only.question.question);
        }
        // A question is the key of its answer.
        for at in 1..fields.len() {
            if fields[..at].iter().any(|before| before.question.question == fields[at].question.question) {
                let own = format!("{} ({})", fields[at].question.question, fields[at].key);
                fields[at].question.question = own;
            }
        }
        Some(Self { fields })
    }

    /// The line that answers.
    pub(super) fn answer(&self, id: &Value, answer: &Answer) -> Result<String, DriveError> {
        if answer.option != "answer" {
            return Ok(declined(id));
        }
        let mut content = Map::new();
        for (question, said) in &answer.answers {
            let field = self.fields.iter().find(|field| field.question.question == *question);
            let field = field.ok_or_else(|| DriveError::Refused { detail: format!("it does not ask `{question}`") })?;
            let (key, value) = field.value(said.trim())?;
            content.insert(key, value);
        }
        Ok(codec::answer(id, &json!({ "action": "accept", "content": content })))
    }
}

impl Field {
    /// `None` for a sort of field that is not known.
    fn read(key: &str, schema: &Value, all: &Map<String, Value>) -> Option<Self> {
        let (sort, holder) = match text(schema, "type") {
            "string" => (Sort::Text, schema),
            "number" => (Sort::Number, schema),
            "integer" => (Sort::Integer, schema),
            "boolean" => (Sort::Truth, schema),
            "array" => (Sort::Several, schema.get("items")?),
            _ => return None,
        };
        let named = |option: &Value| {
            let value = option.get("const").cloned().unwrap_or_default();
            let label = maybe(option, "title").or_else(|| value.as_str().map(str::to_owned)).unwrap_or_default();
            (label, value, text(option, "description").to_owned())
        };
        let mut offered: Vec<(String, Value, String)> = Vec::new();
        offered.extend(list(holder, "oneOf").iter().chain(list(holder, "anyOf")).map(named));
        for value in holder.get("enum").and_then(Value::as_array).into_iter().flatten() {
            offered.push((
                value.as_str().map_or_else(|| value.to_string(), str::to_owned),
                value.clone(),
                String::new(),
            ));
        }
        if sort == Sort::Truth {
            offered = vec![
                ("Yes".to_owned(), Value::Bool(true), String::new()),
                ("No".to_owned(), Value::Bool(false), String::new()),
            ];
        }
        let (title, about) = (maybe(schema, "title"), maybe(schema, "description"));
        let question = about.clone().or_else(|| title.clone()).unwrap_or_else(|| key.to_owned());
        let options = offered
            .iter()
            .map(|(label, _, description)| QuestionOption { label: label.clone(), description: description.clone() })
            .collect();
        let own = format!("{key}{OWN_WORDS}");
        Some(Self {
            key: key.to_owned(),
            question: Question {
                question: clip(&question, QUESTION_CHARS),
                header: title.unwrap_or_default(),
                multiple: sort == Sort::Several,
                options,
            },
            sort,
            choices: offered.into_iter().map(|(label, value, _)| (label, value)).collect(),
            own_words: all.contains_key(&own).then_some(own),
        })
    }

    /// What is to be sent for an answer, and under which key.
    fn value(&self, said: &str) -> Result<(String, Value), DriveError> {
        let choice = |said: &str| self.choices.iter().find(|(label, _)| label == said).map(|(_, value)| value.clone());
        let here = |value: Value| Ok((self.key.clone(), value));
        if let Some(value) = choice(said) {
            return here(if self.sort == Sort::Several { json!([value]) } else { value });
        }
        if self.sort == Sort::Several
            && let Some(values) = said.split(", ").map(choice).collect::<Option<Vec<Value>>>()
        {
            return here(Value::Array(values));
        }
        if let Some(own) = &self.own_words {
            return Ok((own.clone(), Value::String(said.to_owned())));
        }
        let wrong = |what: &str| DriveError::Refused { detail: format!("`{said}` is no {what}") };
        match self.sort {
            _ if !self.choices.is_empty() => Err(wrong("answer that is offered")),
            Sort::Text => here(Value::String(said.to_owned())),
            Sort::Integer => here(said.parse::<i64>().map_err(|_| wrong("whole number"))?.into()),
            Sort::Number => here(said.parse::<f64>().map_err(|_| wrong("number"))?.into()),
            Sort::Truth | Sort::Several => Err(wrong("answer that is offered")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(schema: &Value, message: &str, answers: &[(&str, &str)]) -> Result<Value, DriveError> {
        let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
        let (asked, event) = ask(&json!(7), &params, "/p").unwrap();
        let AgentEvent::Ask { content, kind: ApprovalKind::Question, .. } = event else { panic!() };
        assert_eq!(content.questions.len(), answers.len());
        let answers = answers.iter().map(|(question, said)| ((*question).to_owned(), (*said).to_owned())).collect();
        let (line, refuses) = asked.answer(&Answer { option: "answer".to_owned(), message: None, answers })?;
        assert!(!refuses);
        Ok(serde_json::from_str::<Value>(&line).unwrap()["result"].clone())
    }

    #[test]
    fn a_choice_is_answered_by_its_label_or_in_ones_own_words() {
        let schema = json!({"type": "object", "properties": {
            "question_0": {"type": "string", "title": "Pick", "oneOf": [{"const": "r", "title": "Red"}, {"const": "b", "title": "Blue"}]},
            "question_0_custom": {"type": "string"}}});
        let red = answered(&schema, "Which color?", &[("Which color?", "Red")]).unwrap();
        assert_eq!(red, json!({"action": "accept", "content": {"question_0": "r"}}));
        let own = answered(&schema, "Which color?", &[("Which color?", "Green, please")]).unwrap();
        assert_eq!(own["content"], json!({"question_0_custom": "Green, please"}));
    }

    #[test]
    fn each_sort_of_field_gets_a_value_of_its_sort() {
        let schema = json!({"type": "object", "properties": {
            "name": {"type": "string", "title": "Name"}, "count": {"type": "integer", "title": "Count"},
            "sure": {"type": "boolean", "title": "Sure?"}, "other": {"type": "string", "title": "Name"},
            "tags": {"type": "array", "title": "Tags", "items": {"type": "string", "enum": ["a", "b", "c"]}}}});
        let said = [("Name", "Ann"), ("Count", "3"), ("Sure?", "No"), ("Name (other)", "x"), ("Tags", "a, c")];
        let got = answered(&schema, "Fill in", &said).unwrap();
        assert_eq!(got["content"], json!({"name": "Ann", "count": 3, "sure": false, "other": "x", "tags": ["a", "c"]}));
        let wrong = answered(
            &schema,
            "",
            &[("Name", ""), ("Count", "many"), ("Sure?", ""), ("Name (other)", ""), ("Tags", "")],
        );
        assert!(wrong.unwrap_err().to_string().contains("`many` is no whole number"));
    }

    #[test]
    fn what_cannot_be_shown_is_declined() {
        for params in [
            json!({"mode": "url", "url": "https://example.com"}),
            json!({"mode": "form", "requestedSchema": {"type": "object", "properties": {}}}),
            json!({"mode": "form", "requestedSchema": {"type": "object", "properties": {"x": {"type": "object"}}}}),
            json!({"mode": "form"}),
        ] {
            assert!(ask(&json!(1), &params, "/").is_none(), "{params}");
        }
        let params = json!({"requestedSchema": {"properties": {"x": {"type": "string"}}}});
        let (asked, _) = ask(&json!(1), &params, "/").unwrap();
        let no = Answer { option: "deny".to_owned(), message: None, answers: Vec::new() };
        let (line, refuses) = asked.answer(&no).unwrap();
        assert!(line.contains("decline") && refuses);
        assert!(asked.cancelled().contains(r#""action":"cancel""#));
    }
}
