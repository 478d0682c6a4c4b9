//! Jobs from acceptance to the end, across a process that dies.

use cairn_testkit::{access, scope};
use cairn_types::ports::CatalogError;
use cairn_types::{
    BlobHash, DocumentId, JobId, JobItem, JobKind, JobState, NewJob, Outcome, TenantId,
};

use crate::fixtures::{Bench, system, words};

fn item(key: &str, outcome: Outcome) -> JobItem {
    JobItem {
        key: key.to_owned(),
        blob: Some(BlobHash::of(key.as_bytes())),
        size_bytes: 3,
        outcome,
        reason: None,
        document: None,
    }
}

fn new_job(tenant: TenantId, kind: JobKind, items: &[&str]) -> NewJob {
    NewJob {
        tenant,
        kind,
        access: access(&["user:anna"]),
        collection: "default".to_owned(),
        tags: words(&["t"]),
        document_access: Some(access(&["group:hr"])),
        items: items
            .iter()
            .map(|key| item(key, Outcome::Pending))
            .collect(),
    }
}

pub(crate) async fn a_job_goes_from_accepted_to_done(bench: Bench<'_>) {
    let new = new_job(bench.one, JobKind::Upload, &["a", "b"]);
    let id = bench.catalog.accept(new.clone()).await.unwrap();
    let (owner, tenant) = (bench.owner(), bench.system());
    let job = bench.catalog.job(&owner, id).await.unwrap();
    assert_eq!((job.id, job.state, job.attempts), (id, JobState::Queued, 0));
    assert_eq!(job.request, new);
    bench.clock.advance_ms(5);
    let claimed = bench.catalog.claim_job(tenant).await.unwrap().unwrap();
    assert_eq!(
        (claimed.id, claimed.state, claimed.attempts),
        (id, JobState::Running, 1)
    );
    assert_eq!(claimed.request, new);
    let mut done = item("a", Outcome::Added);
    done.document = Some(DocumentId(9));
    bench
        .catalog
        .record_item(tenant, id, done.clone())
        .await
        .unwrap();
    bench
        .catalog
        .set_job_state(tenant, id, JobState::Done, Some("ok".to_owned()))
        .await
        .unwrap();
    let job = bench.catalog.job(&owner, id).await.unwrap();
    assert_eq!(
        (job.state, job.message.as_deref()),
        (JobState::Done, Some("ok"))
    );
    assert_eq!(job.updated_at.0, job.created_at.0 + 5);
    assert_eq!(job.request.items, [done, item("b", Outcome::Pending)]);
}

pub(crate) async fn the_oldest_upload_is_claimed_first_and_once(bench: Bench<'_>) {
    let tenant = bench.system();
    bench
        .catalog
        .accept(new_job(bench.one, JobKind::Files, &[]))
        .await
        .unwrap();
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        ids.push(
            bench
                .catalog
                .accept(new_job(bench.one, JobKind::Upload, &[key]))
                .await
                .unwrap(),
        );
    }
    bench
        .catalog
        .accept(new_job(bench.two, JobKind::Upload, &["d"]))
        .await
        .unwrap();
    for id in ids {
        assert_eq!(
            bench.catalog.claim_job(tenant).await.unwrap().unwrap().id,
            id
        );
    }
    assert_eq!(bench.catalog.claim_job(tenant).await.unwrap(), None);
    assert!(
        bench
            .catalog
            .claim_job(system(bench.two))
            .await
            .unwrap()
            .is_some()
    );
}

pub(crate) async fn items_are_replaced_by_key(bench: Bench<'_>) {
    let (owner, tenant) = (bench.owner(), bench.system());
    let id = bench
        .catalog
        .accept(new_job(bench.one, JobKind::Files, &[]))
        .await
        .unwrap();
    let mut failed = item("b", Outcome::Failed);
    (failed.reason, failed.blob) = (Some("not a document".to_owned()), None);
    for recorded in [
        item("b", Outcome::Pending),
        item("a", Outcome::Unchanged),
        failed.clone(),
        item("c", Outcome::Moved),
    ] {
        bench
            .catalog
            .record_item(tenant, id, recorded)
            .await
            .unwrap();
    }
    let job = bench.catalog.job(&owner, id).await.unwrap();
    assert_eq!(
        job.request.items,
        [
            failed,
            item("a", Outcome::Unchanged),
            item("c", Outcome::Moved)
        ]
    );
    let unknown = bench
        .catalog
        .record_item(tenant, JobId(1), item("a", Outcome::Added))
        .await;
    assert!(matches!(
        unknown.unwrap_err(),
        CatalogError::NotFound { what: "job", .. }
    ));
    let foreign = bench
        .catalog
        .record_item(system(bench.two), id, item("a", Outcome::Added))
        .await;
    assert!(matches!(
        foreign.unwrap_err(),
        CatalogError::NotFound { what: "job", .. }
    ));
}

pub(crate) async fn jobs_are_seen_by_their_creator_and_the_owner(bench: Bench<'_>) {
    let annas = bench
        .catalog
        .accept(new_job(bench.one, JobKind::Upload, &["a"]))
        .await
        .unwrap();
    let mut bens = new_job(bench.one, JobKind::Files, &[]);
    bens.access = access(&["user:ben"]);
    let bens = bench.catalog.accept(bens).await.unwrap();
    let ben = scope(bench.one, &["user:ben", "group:hr"]);
    for (scope, expected) in [
        (bench.owner(), vec![bens, annas]),
        (bench.anna(), vec![annas]),
        (ben, vec![bens]),
        (bench.outsider(), vec![]),
    ] {
        let jobs = bench.catalog.jobs(&scope, 10).await.unwrap();
        assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), expected);
        for id in [annas, bens] {
            let job = bench.catalog.job(&scope, id).await;
            match job {
                Ok(job) => assert!(expected.contains(&job.id)),
                Err(CatalogError::NotFound { what: "job", .. }) => assert!(!expected.contains(&id)),
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!(
        bench.catalog.jobs(&bench.owner(), 1).await.unwrap()[0].id,
        bens
    );
}

pub(crate) async fn jobs_left_over_are_recovered(bench: Bench<'_>) {
    let (owner, tenant) = (bench.owner(), bench.system());
    let upload = bench
        .catalog
        .accept(new_job(bench.one, JobKind::Upload, &["a"]))
        .await
        .unwrap();
    let files = bench
        .catalog
        .accept(new_job(bench.one, JobKind::Files, &[]))
        .await
        .unwrap();
    let done = bench
        .catalog
        .accept(new_job(bench.one, JobKind::Files, &[]))
        .await
        .unwrap();
    bench
        .catalog
        .set_job_state(tenant, files, JobState::Running, None)
        .await
        .unwrap();
    bench
        .catalog
        .set_job_state(tenant, done, JobState::Done, None)
        .await
        .unwrap();
    let state = |id| {
        let (catalog, owner) = (bench.catalog, owner.clone());
        async move { catalog.job(&owner, id).await.unwrap().state }
    };
    for attempt in 1..=5 {
        let claimed = bench.catalog.claim_job(tenant).await.unwrap().unwrap();
        assert_eq!((claimed.id, claimed.attempts), (upload, attempt));
        let changed = bench.catalog.recover_jobs(tenant).await.unwrap();
        assert_eq!(changed, if attempt == 1 { 2 } else { 1 });
        let expected = if attempt < 5 {
            JobState::Queued
        } else {
            JobState::Failed
        };
        assert_eq!(state(upload).await, expected);
        assert_eq!(state(files).await, JobState::Interrupted);
        assert_eq!(state(done).await, JobState::Done);
    }
    assert!(
        bench
            .catalog
            .job(&owner, upload)
            .await
            .unwrap()
            .message
            .is_some()
    );
    assert_eq!(bench.catalog.recover_jobs(tenant).await.unwrap(), 0);
    assert_eq!(bench.catalog.claim_job(tenant).await.unwrap(), None);
}

pub(crate) async fn a_returned_job_has_not_been_tried(bench: Bench<'_>) {
    let tenant = bench.system();
    let new = new_job(bench.one, JobKind::Upload, &["a"]);
    let id = bench.catalog.accept(new).await.unwrap();
    for _ in 0..9 {
        let claimed = bench.catalog.claim_job(tenant).await.unwrap().unwrap();
        assert_eq!((claimed.id, claimed.attempts), (id, 1));
        // A second time changes nothing more.
        for _ in 0..2 {
            bench
                .catalog
                .return_job(tenant, id, Some("later".to_owned()))
                .await
                .unwrap();
            let job = bench.catalog.job(&bench.owner(), id).await.unwrap();
            assert_eq!((job.state, job.attempts), (JobState::Queued, 0));
            assert_eq!(job.message.as_deref(), Some("later"));
        }
    }
}

pub(crate) async fn a_job_with_a_repeated_key_is_refused_whole(bench: Bench<'_>) {
    let refused = bench
        .catalog
        .accept(new_job(bench.one, JobKind::Upload, &["a", "b", "a"]))
        .await;
    let error = refused.unwrap_err();
    assert!(
        matches!(&error, CatalogError::Invalid(text) if text.contains("`a`")),
        "{error}"
    );
    assert_eq!(bench.catalog.jobs(&bench.owner(), 9).await.unwrap(), []);
    let nowhere = bench
        .catalog
        .accept(new_job(TenantId(99), JobKind::Upload, &[]))
        .await;
    assert!(matches!(
        nowhere.unwrap_err(),
        CatalogError::NotFound { what: "tenant", .. }
    ));
}
