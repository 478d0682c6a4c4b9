//! `GET /api/v1/jobs` and `GET /api/v1/jobs/{id}`.

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use cairn_types::ports::CatalogError;
use cairn_types::{Job as StoredJob, JobId, JobState};

use super::upload::display_name;
use crate::api::{Job, JobItem, JobList, Problem};
use crate::app::App;
use crate::auth::Caller;
use crate::cursor;
use crate::extract::{Id, Params};
use crate::problem::ApiError;

/// Older jobs than so many are not listed.
const MAX_LISTED: usize = 20_000;

/// Lists jobs, newest first.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "jobs",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("limit" = Option<usize>, Query, description = "Jobs of a page: 1 to 200, else 50."),
    ),
    responses(
        (status = 200, description = "One page; without the jobs' items.", body = JobList),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Json<JobList>, ApiError> {
    let params = Params::read(query.as_deref(), &["cursor", "limit"])?;
    let limit = params.limit()?;
    let after: Option<JobId> = params
        .one("cursor")?
        .map(|text| cursor::decode("jobs", text))
        .transpose()?;
    let jobs = page_after(&app, &caller, after, limit + 1).await?;
    let shown: Vec<Job> = jobs
        .iter()
        .take(limit)
        .map(|job| shown_to(&caller, job))
        .collect();
    let last = jobs
        .get(limit - 1)
        .filter(|_| jobs.len() > limit)
        .map(|job| job.id);
    Ok(Json(JobList {
        jobs: shown,
        next_cursor: last.map(|id| cursor::encode("jobs", id)),
    }))
}

/// Up to `limit` jobs older than `after`. The catalog lists from the newest on, so more and more are read until `after` is among
/// them: pages are few, and new jobs do not shift them.
async fn page_after(
    app: &App,
    caller: &Caller,
    after: Option<JobId>,
    limit: usize,
) -> Result<Vec<StoredJob>, ApiError> {
    let Some(after) = after else {
        return Ok(app.catalog().jobs(&caller.scope, limit).await?);
    };
    let mut n_read = limit * 4;
    loop {
        let mut jobs = app.catalog().jobs(&caller.scope, n_read).await?;
        let is_all = jobs.len() < n_read || n_read >= MAX_LISTED;
        let at = jobs.iter().position(|job| job.id == after).map(|at| at + 1);
        match at {
            Some(at) if is_all || jobs.len() - at >= limit => {
                let mut page = jobs.split_off(at);
                page.truncate(limit);
                return Ok(page);
            }
            None if is_all => {
                return Err(ApiError::invalid("`cursor` is not a cursor of this list"));
            }
            _ => n_read = (n_read * 4).min(MAX_LISTED),
        }
    }
}

/// Shows one job with its items.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "Id of the job.")),
    responses(
        (status = 200, description = "The job.", body = Job),
        (status = "default", description = "What went wrong.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<JobId>,
) -> Result<Json<Job>, ApiError> {
    let job = app.catalog().job(&caller.scope, id).await?;
    if job.state == JobState::Done {
        // Who is told that a job is done may count on finding its documents.
        app.refresh().await?;
    }
    let mut items = Vec::with_capacity(job.request.items.len());
    for item in &job.request.items {
        // Who sent a document may have lost the right to read it since.
        let document_id = match item.document {
            Some(document) => match app.catalog().document(&caller.scope, document).await {
                Ok(_) => Some(document.to_string()),
                Err(CatalogError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        items.push(JobItem {
            path: display_name(&caller.scope, &item.key).to_owned(),
            size_bytes: item.size_bytes,
            outcome: item.outcome.into(),
            reason: item.reason.clone(),
            document_id,
        });
    }
    Ok(Json(Job {
        items: Some(items),
        ..shown_to(&caller, &job)
    }))
}

/// A job without its items. Why it failed may name folders of the server: that is for the owner.
fn shown_to(caller: &Caller, job: &StoredJob) -> Job {
    let mut shown = Job::without_items(job);
    if !caller.scope.is_owner() && shown.message.is_some() {
        let is_failed = matches!(job.state, JobState::Failed | JobState::Interrupted);
        shown.message = is_failed.then(|| "the server could not finish the job".to_owned());
    }
    shown
}
