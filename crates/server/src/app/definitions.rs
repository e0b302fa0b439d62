//! What the operator's files define, put in force as a whole.
use super::StartError;
use crate::config::{Config, ConfigError, Definitions, FileWebhook, Problem, Services};
use crate::http::error::ApiError;
use crate::http::state::App;
use crate::http::v1;
use crate::store::audit::{self, Change, OPERATOR};
use crate::store::meters::Source;
use crate::store::projects::Project;
use crate::store::{StoreError, Tx, catalog, webhook_endpoints};
use crate::webhooks::FileEndpoint;
use crate::webhooks::guard::EndpointUrl;
use crate::webhooks::service::WebhookError;
use reckoner_domain::id::{MeterId, ProjectId};
use reckoner_domain::meter::{Catalogue, Meter, MeterKey};
use reckoner_domain::plan::Plan;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How often it is tried again when a client changes an endpoint of the file at the same moment.
const RETRIES_MAX: u32 = 5;

/// Puts the operator's files in force: meters, periods and endpoints, in every project; all of it or
/// nothing. Where no file says anything, meters and endpoints stay what they were: whoever forgets to
/// name a file does not lose what is to be delivered.
pub async fn apply_definitions(app: &App, definitions: Definitions) -> Result<(), StartError> {
    apply(app, definitions, None).await
}

/// The same for files that were read again, which is written down, and the services with them.
pub async fn reapply(app: &App, config: Config) -> Result<(), StartError> {
    let (definitions, services) = (config.definitions, config.services);
    let shown = |definitions: &Definitions| {
        json!({
            "periods": definitions.periods.iter().map(|period| period.as_str()).collect::<Vec<_>>(),
            "event_types": definitions.events.len(),
            "meters": definitions.meters.len(),
            "webhook_endpoints": definitions.webhooks.len(),
        })
    };
    let change = Change::new(None, OPERATOR, "configuration.read_again", "configuration");
    let mut after = shown(&definitions);
    if let Some(after) = after.as_object_mut() {
        after.insert("services".to_owned(), shown_services(&services));
    }
    let change = change.before(shown(&app.definitions())).after(after);
    apply(app, definitions, Some(change)).await?;
    app.services.replace(&services);
    Ok(())
}

fn shown_services(services: &Services) -> Value {
    let shown = services.known.iter().map(|(name, service)| {
        let permissions = service.permissions.iter().map(|permission| permission.service_name());
        let permissions: Vec<_> = permissions.collect();
        (name.clone(), json!({"permissions": permissions, "projects": service.projects}))
    });
    json!({"known": shown.collect::<Map<_, _>>(), "allow_unproven": services.allow_unproven})
}

async fn apply(app: &App, definitions: Definitions, read_again: Option<Change>) -> Result<(), StartError> {
    let meters = meters_of(&definitions).map_err(|problems| StartError::Config(ConfigError(problems)))?;
    let endpoints = endpoints_of(&definitions);
    // Until the catalogues in memory are those of the store again.
    let _changing = app.meters_changing.lock().await;
    let mut retries = 0;
    let catalogues = loop {
        match store(app, &definitions, &meters, &endpoints, read_again.clone()).await {
            Err(StartError::Webhooks(WebhookError::Store(StoreError::Conflict | StoreError::Stale)))
                if retries < RETRIES_MAX =>
            {
                retries += 1;
            }
            other => break other?,
        }
    };
    for (project, catalogue) in catalogues {
        app.recorder.catalogues.put(project, catalogue);
    }
    *app.jobs.definitions.write() = Arc::new(definitions);
    app.webhooks.waker().wake();
    Ok(())
}

/// Stores all of it in one transaction; answers the meters that are in force then.
async fn store(
    app: &App,
    definitions: &Definitions,
    meters: &[Meter],
    endpoints: &[FileEndpoint],
    read_again: Option<Change>,
) -> Result<Vec<(ProjectId, Catalogue)>, StartError> {
    let failed = |error: ApiError| StartError::Other(format!("meters: {}", error.detail()));
    let (mut catalogues, mut changes) = (Vec::new(), Vec::new());
    let mut tx = app.db.begin().await?;
    for Project { id, .. } in &app.projects {
        for meter in meters {
            v1::meters::put_in(
                &mut tx,
                &app.clock,
                (&OPERATOR, *id),
                meter.clone(),
                Source::File,
                &mut changes,
            )
            .await
            .map_err(failed)?;
        }
        if definitions.from_file {
            v1::meters::archive_left_out(&mut tx, &app.clock, *id, meters, &mut changes).await?;
        }
        catalogues.push((*id, v1::meters::in_force(&mut tx, *id).await?));
    }
    if definitions.from_file {
        app.webhooks.sync_file_in(&mut tx, endpoints, &mut changes).await?;
    } else {
        tell_what_stays(&mut tx).await?;
    }
    changes.extend(read_again);
    audit::write(&mut tx, &app.clock, changes).await?;
    tx.commit().await?;
    Ok(catalogues)
}

async fn tell_what_stays(tx: &mut Tx) -> Result<(), StoreError> {
    let endpoints = webhook_endpoints::list_of_file(tx).await?;
    let staying = endpoints.iter().filter(|endpoint| endpoint.disabled.is_none()).count();
    if staying > 0 {
        tracing::warn!(
            staying,
            "no file names meters, periods or webhooks: webhook endpoints of an earlier file stay in force; \
             `webhook_endpoints = []` in reckoner.toml removes them"
        );
    }
    Ok(())
}

fn endpoints_of(definitions: &Definitions) -> Vec<FileEndpoint> {
    let endpoint = |webhook: &FileWebhook| FileEndpoint {
        url: webhook.url.clone(),
        secret: Some(webhook.secret.expose().to_owned()),
        enabled: webhook.enabled,
        project: webhook.project.clone(),
    };
    definitions.webhooks.iter().map(endpoint).collect()
}

/// What is wrong with the meters and endpoints that the operator's files define.
pub fn check_definitions(definitions: &Definitions) -> Vec<Problem> {
    let mut problems = meters_of(definitions).err().unwrap_or_default();
    problems.extend(check_endpoints(&definitions.webhooks));
    problems
}

/// URLs that no endpoint may have, and endpoints that are there twice for one project, however their
/// URL is written and in whichever file.
fn check_endpoints(webhooks: &[FileWebhook]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut known: Vec<(EndpointUrl, &FileWebhook)> = Vec::new();
    for webhook in webhooks {
        let mut note = |reason: String| {
            problems.push(Problem { setting: format!("{}.url", webhook.place), reason });
        };
        let url = match EndpointUrl::parse(&webhook.url) {
            Ok(url) => url,
            Err(refused) => {
                note(refused.to_string());
                continue;
            }
        };
        let meets = |(its, other): &&(EndpointUrl, &FileWebhook)| {
            let any = other.project.is_none() || webhook.project.is_none();
            *its == url && (any || other.project == webhook.project)
        };
        if let Some((_, other)) = known.iter().find(meets) {
            note(format!("is that of {} too, for the same project", other.place));
        }
        known.push((url, webhook));
    }
    problems
}

/// The meters that the operator's files define.
fn meters_of(definitions: &Definitions) -> Result<Vec<Meter>, Vec<Problem>> {
    let mut meters: Vec<Meter> = Vec::new();
    let mut problems = Vec::new();
    let mut note = |setting: String, reason: String| problems.push(Problem { setting, reason });
    for (event_type, aggregation) in &definitions.events {
        match MeterKey::parse(event_type) {
            Ok(key) => meters.push(Meter::plain(MeterId::from_bits(0), key, *aggregation)),
            Err(error) => note(format!("events.{event_type}"), error.to_string()),
        }
    }
    for (index, definition) in definitions.meters.iter().enumerate() {
        match v1::meters::from_file(definition) {
            Ok(meter) if meters.iter().any(|known| known.key == meter.key) => {
                // Each start would make two versions of it.
                note(format!("meters[{index}].key"), format!("{} is defined already", meter.key));
            }
            Ok(meter) => meters.push(meter),
            Err(faults) => {
                for fault in faults {
                    note(format!("meters[{index}].{}", fault.field), fault.reason);
                }
            }
        }
    }
    if problems.is_empty() { Ok(meters) } else { Err(problems) }
}

/// Tells of plans that the operator named and that a project does not have: nobody gets them.
pub async fn tell_absent_plans(app: &App) -> Result<(), StartError> {
    for Project { id, name, .. } in &app.projects {
        for (setting, plan) in app.config.billing.named_plans() {
            let newest = catalog::versions::<Plan>(&app.db, *id, plan.as_str()).await?.into_iter().next();
            if newest.is_none_or(|newest| newest.archived_at.is_some()) {
                tracing::warn!(project = %name, setting, plan = plan.as_str(), "the project does not have this plan: nobody gets it until it is applied");
            }
        }
    }
    Ok(())
}
