//! How to speak to Codex for one session.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::codec::{self, Call};
use super::home::Seat;
use super::mapper::Turn;
use super::presets;
use super::pump::{Known, known};
use crate::agent::words::{list, maybe, text};
use crate::agent::{Answer, DriveError, Driver, Image, Later, Setting, Steered};

/// Longest that a change of model or mode may take.
const CHANGE: Duration = Duration::from_secs(10);
/// Longest that handing over a prompt in mid-turn may take.
const STEER: Duration = Duration::from_secs(5);
/// Longest that leaving may take: a turn that does not end, and the end of its process.
const CLOSE: Duration = Duration::from_secs(15);

/// A session's Codex. Dropping it stops what runs in the session; the process goes on for the others.
#[derive(Debug)]
pub(super) struct CodexDriver {
    seat: Arc<Seat>,
    mapper: Known,
    pump: JoinHandle<()>,
    _stop: DropGuard,
}

impl CodexDriver {
    pub(super) fn new(seat: Arc<Seat>, mapper: Known, pump: JoinHandle<()>, stop: CancellationToken) -> Self {
        Self { seat, mapper, pump, _stop: stop.drop_guard() }
    }

    /// The default of a setting: what its person's configuration names, else what Codex says of its models.
    async fn defaults(&self, setting: Setting) -> Result<(Option<String>, Option<String>), DriveError> {
        let cwd = known(&self.mapper).cwd.clone();
        let call = Call { method: "config/read", params: json!({ "includeLayers": false, "cwd": cwd }) };
        let config = self.ask(&call).await?;
        let config = config.get("config").cloned().unwrap_or_default();
        let models = self.ask(&Call { method: "model/list", params: json!({}) }).await?;
        let models = list(&models, "data");
        let is_default = |model: &&Value| model.get("isDefault") == Some(&Value::Bool(true));
        let named = maybe(&config, "model");
        let own = match (setting, &named) {
            (Setting::Model, Some(model)) => models.iter().find(|own| text(own, "model") == model),
            (Setting::Model, None) => models.iter().find(is_default),
            (Setting::Effort, _) => {
                let now = known(&self.mapper).wanted.model.clone().unwrap_or_default();
                models.iter().find(|own| text(own, "model") == now)
            }
        };
        let none = || DriveError::Refused { detail: "Codex does not say what its default is".to_owned() };
        let effort = maybe(&config, "model_reasoning_effort").or_else(|| maybe(own?, "defaultReasoningEffort"));
        match setting {
            Setting::Model => Ok((Some(named.or_else(|| maybe(own?, "model")).ok_or_else(none)?), None)),
            Setting::Effort => Ok((None, Some(effort.ok_or_else(none)?))),
        }
    }

    async fn ask(&self, call: &Call) -> Result<Value, DriveError> {
        let answer = self.seat.request(call, CHANGE).await?;
        answer.map_err(|refusal| DriveError::Refused { detail: refusal.message })
    }

    async fn write(&self, line: String) -> Result<(), DriveError> {
        self.seat.write(line).await
    }
}

/// What the following turns are to use; `None` leaves a thing as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change<'a> {
    pub(super) model: Option<&'a str>,
    pub(super) mode: Option<&'a str>,
    pub(super) effort: Option<&'a str>,
}

/// Changes what the following turns use.
pub(super) async fn change(seat: &Seat, mapper: &Known, change: Change<'_>) -> Result<(), DriveError> {
    let Change { model, mode, effort } = change;
    let preset = mode.map(|mode| {
        presets::find(mode).ok_or_else(|| DriveError::Refused { detail: format!("Codex has no mode `{mode}`") })
    });
    let preset = preset.transpose()?;
    let (thread, mut next) = {
        let mapper = known(mapper);
        (mapper.thread.clone(), mapper.wanted.clone())
    };
    // The plan mode names the model, too, and goes before it.
    let before = next.mode.and_then(presets::find);
    let plans = [preset, before].iter().flatten().any(|preset| preset.plan);
    next.model = model.map(str::to_owned).or(next.model);
    next.effort = effort.map(str::to_owned).or(next.effort);
    next.mode = preset.map_or(next.mode, |preset| Some(preset.id));
    let mut settings = json!({ "model": next.model, "effort": next.effort });
    if let Some(preset) = preset {
        settings["approvalPolicy"] = json!(preset.approval);
        settings["sandboxPolicy"] = preset.policy();
    }
    if let (true, Some(preset), Some(model)) = (plans, preset.or(before), &next.model) {
        settings["collaborationMode"] = preset.collaboration(model, next.effort.as_deref());
    }
    let call = codec::of_thread("thread/settings/update", &thread, settings);
    match seat.request(&call, CHANGE).await? {
        Ok(_) => {
            known(mapper).wanted = next;
            Ok(())
        }
        Err(refusal) => Err(DriveError::Refused { detail: refusal.message }),
    }
}

impl Driver for CodexDriver {
    fn prompt<'a>(&'a mut self, text: &'a str) -> Later<'a, Result<(), DriveError>> {
        self.prompt_with(text, &[])
    }

    fn takes_images(&self) -> bool {
        true
    }

    fn prompt_with<'a>(&'a mut self, text: &'a str, images: &'a [Image]) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            let line = known(&self.mapper).prompted(&codec::input(text, images));
            self.write(line).await
        })
    }

    fn steer<'a>(
        &'a mut self,
        _key: &'a str,
        text: &'a str,
        images: &'a [Image],
    ) -> Later<'a, Result<Steered, DriveError>> {
        Box::pin(async move {
            let (thread, turn) = {
                let mapper = known(&self.mapper);
                (mapper.thread.clone(), mapper.turn.clone())
            };
            let Turn::Running(turn) = turn else {
                return Err(DriveError::Refused { detail: "Codex has not begun its turn yet".to_owned() });
            };
            // Codex refuses when that turn has ended meanwhile, so nothing becomes a turn of its own.
            let params = json!({ "expectedTurnId": turn, "input": codec::input(text, images) });
            match self.seat.request(&codec::of_thread("turn/steer", &thread, params), STEER).await? {
                Ok(_) => Ok(Steered::Now),
                Err(refusal) => Err(DriveError::Refused { detail: refusal.message }),
            }
        })
    }

    fn interrupt(&mut self) -> Later<'_, Result<(), DriveError>> {
        Box::pin(async move {
            let line = known(&self.mapper).interrupt();
            match line {
                Some(line) => self.write(line).await,
                None => Ok(()),
            }
        })
    }

    fn answer<'a>(&'a mut self, request: &'a str, answer: Answer) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            let lines = known(&self.mapper).answer(request, &answer)?;
            for line in lines {
                self.write(line).await?;
            }
            Ok(())
        })
    }

    fn set_options(&mut self, model: Option<String>, mode: Option<String>) -> Later<'_, Result<(), DriveError>> {
        Box::pin(async move {
            let wanted = Change { model: model.as_deref(), mode: mode.as_deref(), effort: None };
            change(&self.seat, &self.mapper, wanted).await
        })
    }

    fn set_effort<'a>(&'a mut self, effort: &'a str) -> Later<'a, Result<(), DriveError>> {
        Box::pin(change(&self.seat, &self.mapper, Change { effort: Some(effort), ..Change::default() }))
    }

    fn to_default(&mut self, setting: Setting) -> Later<'_, Result<(), DriveError>> {
        Box::pin(async move {
            let (model, effort) = self.defaults(setting).await?;
            let wanted = Change { model: model.as_deref(), effort: effort.as_deref(), mode: None };
            change(&self.seat, &self.mapper, wanted).await
        })
    }

    fn close(self: Box<Self>) -> Later<'static, ()> {
        Box::pin(async move {
            let Self { seat, mapper: _, pump, _stop: stop } = *self;
            drop((seat, stop));
            let _: Result<_, _> = tokio::time::timeout(CLOSE, pump).await;
        })
    }
}
