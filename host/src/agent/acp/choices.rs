//! Models and modes that an agent offers, in one of the three ways in which agents do.

use protocol::host::{Choice, Effort};
use serde_json::Value;

use super::codec::{self, Call};
use crate::agent::Setting;
use crate::agent::words::{list, maybe, text};
use crate::catalogue::bypasses_approval;

/// One thing to choose.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Choosing {
    pub(super) choices: Vec<Choice>,
    pub(super) current: Option<String>,
    /// The configuration option that it is; `None` for the older method of its own.
    config: Option<String>,
}

/// What an agent's sessions begin with, when nothing is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Defaults {
    pub(super) model: Option<String>,
    pub(super) effort: Option<String>,
}

impl Defaults {
    pub(super) fn of(&self, setting: Setting) -> Option<&str> {
        match setting {
            Setting::Model => self.model.as_deref(),
            Setting::Effort => self.effort.as_deref(),
        }
    }
}

/// What an agent offers in a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Offer {
    pub(super) models: Choosing,
    pub(super) modes: Choosing,
    /// How hard the agent thinks; always a configuration option.
    pub(super) efforts: Choosing,
}

impl Offer {
    /// Takes the result of `session/new`, `session/load` or `session/resume`.
    pub(super) fn opened(&mut self, result: &Value) {
        if let Some(modes) = result.get("modes").filter(|modes| modes.is_object()) {
            let choices = list(modes, "availableModes").iter().map(|mode| choice(mode, "id")).collect();
            self.modes = Choosing { choices, current: maybe(modes, "currentModeId"), config: None };
        }
        if let Some(models) = result.get("models").filter(|models| models.is_object()) {
            let choices = list(models, "availableModels").iter().map(|model| choice(model, "modelId")).collect();
            self.models = Choosing { choices, current: maybe(models, "currentModelId"), config: None };
        }
        self.configured(result);
    }

    /// What is current in a session that has just begun, and nothing was chosen in it; where the agent has a choice that is called so,
    /// it is that one.
    pub(super) fn defaults(&self) -> Defaults {
        let own = |choosing: &Choosing| {
            let named = choosing.choices.iter().find(|choice| choice.id == "default").map(|choice| choice.id.clone());
            named.or_else(|| choosing.current.clone())
        };
        Defaults { model: own(&self.models), effort: own(&self.efforts) }
    }

    /// Whether all that it offers has a default.
    pub(super) fn has(&self, defaults: &Defaults) -> bool {
        let settings = [(&self.models, Setting::Model), (&self.efforts, Setting::Effort)];
        let mut offered = settings.iter().filter(|(choosing, _)| !choosing.choices.is_empty()).peekable();
        offered.peek().is_some() && offered.all(|(_, setting)| defaults.of(*setting).is_some())
    }

    /// Takes a list of configuration options, where there is one; says whether what is current has changed.
    pub(super) fn configured(&mut self, holder: &Value) -> bool {
        let current =
            |offer: &Self| (offer.models.current.clone(), offer.modes.current.clone(), offer.efforts.current.clone());
        let before = current(self);
        for option in list(holder, "configOptions") {
            let id = text(option, "id");
            let into = match maybe(option, "category").as_deref().unwrap_or(id) {
                "model" => &mut self.models,
                "mode" => &mut self.modes,
                "thought_level" => &mut self.efforts,
                _ => continue,
            };
            let choices =
                list(option, "options").iter().flat_map(grouped).map(|option| choice(option, "value")).collect();
            *into = Choosing { choices, current: maybe(option, "currentValue"), config: Some(id.to_owned()) };
        }
        before != current(self)
    }

    /// The modes that may be chosen from afar: those in which the agent acts without asking only where the host's configuration
    /// allows it.
    pub(super) fn remote_modes(&self, bypass: bool) -> Vec<Choice> {
        let allowed = |mode: &&Choice| bypass || !bypasses_approval(&mode.id);
        self.modes.choices.iter().filter(allowed).cloned().collect()
    }

    /// The efforts of the current model.
    pub(super) fn effort_choices(&self) -> Vec<Effort> {
        let effort = |choice: &Choice| Effort {
            id: choice.id.clone(),
            name: choice.name.clone(),
            description: choice.description.clone(),
            models: Vec::new(),
        };
        // Its own default is what a session has that names no effort: one entry for it is enough.
        self.efforts.choices.iter().filter(|choice| choice.id != "default").map(effort).collect()
    }

    /// The request that chooses an effort; `None` when the agent has no such choice.
    pub(super) fn choose_effort(&self, session: &str, effort: &str) -> Option<Call> {
        self.efforts.config.as_deref().map(|config| codec::set_config(session, config, effort))
    }

    /// The request that chooses a model.
    pub(super) fn choose_model(&self, session: &str, model: &str) -> Call {
        match &self.models.config {
            Some(config) => codec::set_config(session, config, model),
            None => codec::set_model(session, model),
        }
    }

    /// The request that chooses a mode.
    pub(super) fn choose_mode(&self, session: &str, mode: &str) -> Call {
        match &self.modes.config {
            Some(config) => codec::set_config(session, config, mode),
            None => codec::set_mode(session, mode),
        }
    }
}

/// Options may stand in groups.
fn grouped(option: &Value) -> &[Value] {
    option.get("options").and_then(Value::as_array).map_or(std::slice::from_ref(option), Vec::as_slice)
}

fn choice(choice: &Value, id: &str) -> Choice {
    let id = text(choice, id);
    let name = maybe(choice, "name").unwrap_or_else(|| id.to_owned());
    Choice { id: id.to_owned(), name, description: maybe(choice, "description") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn modes_that_never_ask_are_not_offered() {
        let mut offer = Offer::default();
        offer.opened(&json!({"modes": {"currentModeId": "default", "availableModes": [
            {"id": "default", "name": "Default"}, {"id": "yolo", "name": "YOLO"}, {"id": "agent-full-access", "name": "All"}]}}));
        assert_eq!(offer.remote_modes(false).len(), 1);
        assert_eq!(offer.remote_modes(true).len(), 3);
        assert_eq!(offer.choose_mode("s", "default").method, "session/set_mode");
    }

    #[test]
    fn configuration_options_go_before_the_older_ways() {
        let mut offer = Offer::default();
        offer.opened(&json!({
            "modes": {"currentModeId": "old", "availableModes": [{"id": "old"}]},
            "configOptions": [
                {"id": "m", "category": "model", "currentValue": "b", "options": [
                    {"group": "g", "name": "G", "options": [{"value": "a", "name": "A"}, {"value": "b", "name": "B"}]}]},
                {"id": "mode", "category": "mode", "currentValue": "ask", "options": [{"value": "ask", "name": "Ask"}]},
                {"id": "think", "category": "thought_level", "currentValue": "low", "options": [{"value": "default", "name": "Default"}, {"value": "low", "name": "Low"}]}]}));
        assert_eq!(offer.models.choices.len(), 2);
        assert_eq!((offer.models.current.as_deref(), offer.modes.current.as_deref()), (Some("b"), Some("ask")));
        assert_eq!(offer.effort_choices().iter().map(|effort| effort.id.as_str()).collect::<Vec<_>>(), ["low"]);
        let chosen = offer.choose_effort("s", "low").unwrap();
        assert_eq!(chosen.params, json!({"sessionId": "s", "configId": "think", "value": "low"}));
        assert_eq!(Offer::default().choose_effort("s", "low"), None);
        let defaults = offer.defaults();
        assert_eq!((defaults.of(Setting::Model), defaults.of(Setting::Effort)), (Some("b"), Some("default")));
        assert!(offer.has(&defaults) && !offer.has(&Defaults::default()) && !Offer::default().has(&defaults));
        assert_eq!(offer.choose_model("s", "a").params, json!({"sessionId": "s", "configId": "m", "value": "a"}));
    }
}
