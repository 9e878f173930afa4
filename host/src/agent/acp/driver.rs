//! How to speak to a running ACP agent.

use std::time::Duration;

use super::choices::Defaults;
use super::codec::{self, Call};
use super::mapper::AcpMapper;
use crate::agent::link::Link;
use crate::agent::{Answer, DriveError, Driver, Image, Later, Setting};

/// Longest that a change of model or mode may take.
const CHANGE: Duration = Duration::from_secs(10);

/// A running ACP agent.
#[derive(Debug)]
pub(super) struct AcpDriver {
    link: Link<AcpMapper>,
    session: String,
    /// Whether the agent has said that it takes images.
    images: bool,
    /// What its sessions begin with.
    defaults: Defaults,
}

impl AcpDriver {
    pub(super) const fn new(link: Link<AcpMapper>, session: String, images: bool, defaults: Defaults) -> Self {
        Self { link, session, images, defaults }
    }
}

/// Asks for a change and waits for it.
pub(super) async fn change(link: &Link<AcpMapper>, call: &Call) -> Result<(), DriveError> {
    let (id, request) = link.with(|mapper| mapper.request(call));
    match link.request(id, request, CHANGE).await? {
        Ok(result) => {
            link.with(|mapper| mapper.offer.configured(&result));
            Ok(())
        }
        Err(refusal) => Err(DriveError::Refused { detail: refusal.message }),
    }
}

/// Changes the model and the mode, as far as they are named.
pub(super) async fn choose(
    link: &Link<AcpMapper>,
    session: &str,
    model: Option<&str>,
    mode: Option<&str>,
    effort: Option<&str>,
) -> Result<(), (String, DriveError)> {
    if let Some(model) = model {
        let call = link.with(|mapper| mapper.offer.choose_model(session, model));
        change(link, &call).await.map_err(|error| (format!("model `{model}`"), error))?;
        link.with(|mapper| mapper.offer.models.current = Some(model.to_owned()));
    }
    if let Some(mode) = mode {
        let call = link.with(|mapper| mapper.offer.choose_mode(session, mode));
        change(link, &call).await.map_err(|error| (format!("mode `{mode}`"), error))?;
        link.with(|mapper| mapper.offer.modes.current = Some(mode.to_owned()));
    }
    // Last, for which efforts there are depends on the model.
    if let Some(effort) = effort {
        let what = || format!("effort `{effort}`");
        let none = || DriveError::Refused { detail: "the agent has no such choice".to_owned() };
        let call = link.with(|mapper| mapper.offer.choose_effort(session, effort));
        change(link, &call.ok_or_else(|| (what(), none()))?).await.map_err(|error| (what(), error))?;
        link.with(|mapper| mapper.offer.efforts.current = Some(effort.to_owned()));
    }
    Ok(())
}

impl Driver for AcpDriver {
    fn prompt<'a>(&'a mut self, text: &'a str) -> Later<'a, Result<(), DriveError>> {
        self.prompt_with(text, &[])
    }

    fn takes_images(&self) -> bool {
        self.images
    }

    fn prompt_with<'a>(&'a mut self, text: &'a str, images: &'a [Image]) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            let images = if self.images { images } else { &[] };
            let call = codec::prompt(&self.session, text, images);
            let line = self.link.with(|mapper| {
                let (id, line) = mapper.request(&call);
                mapper.prompted(&id);
                line
            });
            self.link.write(line).await
        })
    }

    fn interrupt(&mut self) -> Later<'_, Result<(), DriveError>> {
        Box::pin(async move {
            for line in self.link.with(AcpMapper::cancel) {
                self.link.write(line).await?;
            }
            Ok(())
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
            let chosen = choose(&self.link, &self.session, model.as_deref(), mode.as_deref(), None).await;
            chosen.map_err(|(_, error)| error)
        })
    }

    fn set_effort<'a>(&'a mut self, effort: &'a str) -> Later<'a, Result<(), DriveError>> {
        Box::pin(async move {
            choose(&self.link, &self.session, None, None, Some(effort)).await.map_err(|(_, error)| error)
        })
    }

    fn to_default(&mut self, setting: Setting) -> Later<'_, Result<(), DriveError>> {
        Box::pin(async move {
            let unknown = || DriveError::Refused { detail: "the agent does not say what its default is".to_owned() };
            let own = self.defaults.of(setting).ok_or_else(unknown)?;
            let (model, effort) = match setting {
                Setting::Model => (Some(own), None),
                Setting::Effort => (None, Some(own)),
            };
            choose(&self.link, &self.session, model, None, effort).await.map_err(|(_, error)| error)
        })
    }

    fn close(self: Box<Self>) -> Later<'static, ()> {
        Box::pin(self.link.close())
    }
}
