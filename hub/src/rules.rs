//! Standing rules: revoked here at once, whoever made them; kept and obeyed by their host.

use std::time::Duration;

use protocol::error::{ErrorCode, Problem};
use protocol::fact::{FeedFact, Operation};
use protocol::id::{DeviceId, RuleId};
use protocol::port::SessionNews;
use store::{Batch, Expected, Put};

use crate::audit::{self, About};
use crate::failure::Failure;
use crate::feed;
use crate::hub::{Hub, TRIES};
use crate::identity::Identity;
use crate::keys;
use crate::rows::Row;

/// Longest wait for the host to say that it has heard of a revocation.
const HEARD: Duration = Duration::from_secs(2);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(10);

impl Hub {
    /// Revokes a standing rule. The answer means that its host answers by it no more, unless the host does not say so within two
    /// seconds: one that is away hears of it before it works again. Goes on to its end when the caller leaves.
    ///
    /// # Errors
    /// `not_found`, also for a rule of another account, and for one that is over; failures of the store.
    pub async fn revoke_rule(&self, who: &Identity, rule: RuleId) -> Result<(), Problem> {
        let (hub, who) = (self.clone(), who.clone());
        self.whole(async move {
            let (host, number) = hub.revoke_rule_now(&who, rule).await?;
            hub.wait_until_heard(host, number).await;
            Ok(())
        })
        .await
    }

    async fn revoke_rule_now(&self, who: &Identity, rule: RuleId) -> Result<(DeviceId, u64), Problem> {
        let key = keys::row(who.account, "rule", &rule.to_string());
        for _ in 0..TRIES {
            let Some(entry) = self.inner.streams.get(&key).await.map_err(Failure::from)? else {
                return Err(Problem::new(ErrorCode::NotFound).detail("there is no such rule, or not any more"));
            };
            let Ok(FeedFact::Rule { value: Some(value), .. }) = FeedFact::parse(&entry.value) else {
                return Err(Failure::Row { key, reason: "it is not a rule".to_owned() }.into());
            };
            let number = self.arrival();
            let mut batch = Batch::new();
            let gone = FeedFact::Rule { id: rule, operation: Operation::Delete, value: None };
            feed::tell_over(&mut batch, who.account, &gone, Expected::Version(entry.version));
            batch.push(Put::set(keys::urgent(value.host, number), SessionNews::RuleRevoked { rule }.encode()));
            let entry = self.entry(Some(who), "rule.revoke").about(rule).on(value.host);
            audit::push(&mut batch, who.account, &entry);
            match self.commit(batch).await {
                Ok(_) => {
                    self.inner.news.ring();
                    self.inner.links.rouse(value.host);
                    return Ok((value.host, number));
                }
                Err(failure) if failure.lost().is_some() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(Failure::Contended { tries: TRIES }.into())
    }

    async fn wait_until_heard(&self, host: DeviceId, number: u64) {
        let key = keys::urgent(host, number);
        let heard = async {
            while matches!(self.inner.streams.get(&key).await, Ok(Some(_))) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(HEARD, heard).await.is_err() {
            tracing::info!(%host, "the host has not heard yet that a rule was revoked");
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::id::ProjectId;
    use protocol::item::Sender;
    use protocol::port::Report;
    use protocol::rule::{Rule, RuleContent, RuleScope};
    use protocol::time::Clock as _;

    use super::*;
    use crate::testing::World;

    fn rule(world: &World, uses: u64) -> Rule {
        Rule {
            v: 1,
            host: world.hub.node(),
            project: ProjectId::from_uuid(world.clock.fresh()),
            session: None,
            by: Sender { account: world.hub.account(), device: world.owner.device },
            created_at_ms: world.clock.now(),
            expires_at_ms: None,
            uses,
            used_at_ms: None,
            content: RuleContent {
                words: "`npm test …` in api".to_owned(),
                scope: RuleScope::Command { words: vec!["npm".to_owned(), "test".to_owned()], exact: false },
            },
        }
    }

    async fn listed(world: &World) -> usize {
        let lists = world.hub.lists(world.hub.account()).await.unwrap();
        lists.facts.iter().filter(|raw| raw.get().contains("\"type\":\"rule\"")).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_rule_is_listed_until_somebody_revokes_it_and_the_host_hears_of_it() {
        let world = World::new().await;
        let generation = world.start_host().await;
        let id = RuleId::from_uuid(world.clock.fresh());
        let tell = |operation, uses| {
            let feed = vec![FeedFact::from((id, operation, rule(&world, uses)))];
            world.report(Report { generation, feed, ..Report::default() })
        };
        tell(Operation::Insert, 0).await;
        assert_eq!(listed(&world).await, 1);
        // Without anybody who hears, the answer comes after a while; the rule is gone all the same.
        world.hub.revoke_rule(&world.owner, id).await.unwrap();
        assert_eq!(listed(&world).await, 0);
        let told = world.port().news(generation, None, false).await.unwrap();
        assert_eq!(told.last().unwrap().1, SessionNews::RuleRevoked { rule: id });
        // A use that was on its way does not bring it back.
        tell(Operation::Update, 1).await;
        assert_eq!(listed(&world).await, 0);
        let again = world.hub.revoke_rule(&world.owner, id).await.unwrap_err();
        assert_eq!(again.code, ErrorCode::NotFound);
        let audit = world.hub.audit_page(world.hub.account(), None, None).await.unwrap();
        assert!(
            audit.entries.iter().any(|entry| entry.action == "rule.revoke" && entry.target == Some(id.to_string()))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_host_decides_is_in_the_audit_trail_and_of_others_it_says_nothing() {
        use protocol::api::AuditContent;
        use protocol::id::AccountId;
        use protocol::port::{Decided, DecidedWhat, PortError};
        let world = World::new().await;
        let generation = world.start_host().await;
        let by = Sender { account: world.hub.account(), device: world.owner.device };
        let content = AuditContent { shown: Some("abc".to_owned()), because: Some("policy.toml:3".to_owned()) };
        let decided =
            |by| Decided { what: DecidedWhat::PolicyDenied, target: "apr_x".to_owned(), by, content: content.clone() };
        let report = |by| Report { generation, audit: vec![decided(by)], ..Report::default() };
        world.report(report(by)).await;
        let audit = world.hub.audit_page(world.hub.account(), None, None).await.unwrap();
        let entry = audit.entries.iter().find(|entry| entry.action == "approval.deny_by_policy").unwrap();
        assert_eq!(
            (entry.device, entry.host, entry.content.as_ref()),
            (Some(by.device), Some(world.hub.node()), Some(&content))
        );
        let other = Sender { account: AccountId::from_uuid(world.clock.fresh()), ..by };
        let refused = world.port().report(report(other)).await;
        assert!(matches!(refused, Err(PortError::Refused { .. })), "{refused:?}");
    }
}
