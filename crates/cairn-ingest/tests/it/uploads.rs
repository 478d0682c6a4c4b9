//! Jobs of uploads: labels that stay, readers that were taken away meanwhile.

use cairn_testkit::access;
use cairn_types::{AccessList, HasKind as _, JobItem, JobKind, JobState, NewJob, Outcome};

use crate::Test;
use crate::world::{World, run, tags};

pub(crate) const TESTS: &[Test] = &[
    ("uploads::a_shutdown_is_no_attempt", stops_are_no_attempts),
    ("uploads::tags_stay_where_none_are_given", tags_stay),
    (
        "uploads::a_queued_upload_does_not_undo_a_revocation",
        revocation_holds,
    ),
    (
        "uploads::a_document_is_narrowed_before_it_comes_back",
        narrowed_first,
    ),
    (
        "uploads::a_job_waits_where_no_worker_starts",
        no_worker_no_outcome,
    ),
    (
        "uploads::what_the_catalog_refuses_fails_alone",
        refused_alone,
    ),
];

fn refused_alone() {
    run(async {
        let world = World::new().await;
        world.upload_done("0.md", "known", &[], None).await;
        world.sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON documents WHEN new.item_key IN ('1.md', '3.md')
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
        );
        let names = ["0.md", "1.md", "2.md", "3.md", "4.md"];
        let item = |name: &str| {
            let text = format!("The text of {name}.");
            let stored = world.blobs.put(world.tenant, text.as_bytes()).unwrap();
            JobItem {
                key: name.to_owned(),
                blob: Some(stored.hash),
                size_bytes: stored.size_bytes,
                outcome: Outcome::Pending,
                reason: None,
                document: None,
            }
        };
        let job = NewJob {
            tenant: world.tenant,
            kind: JobKind::Upload,
            access: AccessList::owner_only(),
            collection: "default".to_owned(),
            tags: tags(&[]),
            document_access: None,
            items: names.map(item).to_vec(),
        };
        let id = world.catalog.accept(job).await.unwrap();
        let cancel = tokio_util::sync::CancellationToken::new();
        let summary = world.work(&cancel).await.unwrap();
        assert_eq!(
            (summary.n_updated, summary.n_added, summary.n_failed),
            (1, 2, 2)
        );
        assert_eq!(summary.n_chunks, 3, "chunks of what was published");
        let job = world.catalog.job(&world.owner(), id).await.unwrap();
        assert_eq!(job.state, JobState::Done);
        for (item, expected) in job.request.items.iter().zip([
            Outcome::Updated,
            Outcome::Failed,
            Outcome::Added,
            Outcome::Failed,
            Outcome::Added,
        ]) {
            assert_eq!(item.outcome, expected, "{}", item.key);
            assert_eq!(item.document.is_none(), expected == Outcome::Failed);
            assert_eq!(item.reason.is_some(), expected == Outcome::Failed);
        }
        // Sent again when nothing stands in the way any more, it comes in.
        world.sql("DROP TRIGGER refuse");
        let outcome = world
            .upload_done("1.md", "The text of 1.md.", &[], None)
            .await;
        assert_eq!(outcome, Outcome::Added);
    });
}

fn no_worker_no_outcome() {
    run(async {
        let mut world = World::new().await;
        world.upload("a.md", "one", &[], None).await;
        let without = world.pipeline_without_workers();
        let sound = std::mem::replace(&mut world.pipeline, without);
        let cancel = tokio_util::sync::CancellationToken::new();
        let error = world.work(&cancel).await.unwrap_err();
        assert!(error.kind().is_retryable(), "{error}");
        let job = &world.jobs().await[0];
        assert_eq!(
            (job.state, job.request.items[0].outcome),
            (JobState::Queued, Outcome::Pending)
        );
        world.pipeline = sound;
        world.work(&cancel).await.unwrap();
        let job = &world.jobs().await[0];
        assert_eq!(
            (job.state, job.request.items[0].outcome),
            (JobState::Done, Outcome::Added)
        );
    });
}

fn tags_stay() {
    run(async {
        let world = World::new().await;
        assert_eq!(
            world.upload_done("a.md", "one", &["t"], None).await,
            Outcome::Added
        );
        let id = world.document("a.md").await.id;
        let set = Some(tags(&["set later"]));
        world
            .catalog
            .set_metadata(&world.owner(), id, set, None)
            .await
            .unwrap();
        assert_eq!(
            world.upload_done("a.md", "one", &[], None).await,
            Outcome::Unchanged
        );
        assert_eq!(world.document("a.md").await.tags, tags(&["set later"]));
        assert_eq!(
            world.upload_done("a.md", "two", &[], None).await,
            Outcome::Updated
        );
        assert_eq!(world.document("a.md").await.tags, tags(&["set later"]));
        assert_eq!(
            world.upload_done("a.md", "two", &["new"], None).await,
            Outcome::Updated
        );
        assert_eq!(world.document("a.md").await.tags, tags(&["new"]));
    });
}

fn revocation_holds() {
    run(async {
        let world = World::new().await;
        world.upload_done("a.md", "one", &[], None).await;
        assert_eq!(world.document("a.md").await.access, AccessList::everyone());
        world.upload("a.md", "two", &[], None).await;
        let id = world.document("a.md").await.id;
        let only = Some(access(&["user:anna"]));
        world
            .catalog
            .set_metadata(&world.owner(), id, None, only)
            .await
            .unwrap();
        world
            .work(&tokio_util::sync::CancellationToken::new())
            .await
            .unwrap();
        let document = world.document("a.md").await;
        assert_eq!(document.version.0, 2);
        assert_eq!(document.access, access(&["user:anna"]));
    });
}

fn stops_are_no_attempts() {
    run(async {
        let world = World::new().await;
        world.upload("a.md", "one", &[], None).await;
        let cancel = tokio_util::sync::CancellationToken::new();
        cancel.cancel();
        for _ in 0..6 {
            world.work(&cancel).await.unwrap_err();
            let job = &world.jobs().await[0];
            assert_eq!((job.state, job.attempts), (JobState::Queued, 0));
        }
    });
}

fn narrowed_first() {
    run(async {
        let world = World::new().await;
        world.upload_done("a.md", "one", &[], None).await;
        let id = world.document("a.md").await.id;
        world
            .catalog
            .delete_documents(&world.owner(), &[id])
            .await
            .unwrap();
        world.sql(
            "CREATE TRIGGER refuse BEFORE UPDATE OF acl_id ON documents
             WHEN new.acl_id <> old.acl_id BEGIN SELECT RAISE(ABORT, 'refused'); END",
        );
        let outcome = world
            .upload_done("a.md", "one", &[], Some(access(&["user:anna"])))
            .await;
        assert_eq!(outcome, Outcome::Failed);
        assert!(world.document("a.md").await.deleted_at.is_some());
        world.sql("DROP TRIGGER refuse");
        world
            .upload_done("a.md", "one", &[], Some(access(&["user:anna"])))
            .await;
        let document = world.document("a.md").await;
        assert_eq!(
            (document.deleted_at, document.access),
            (None, access(&["user:anna"]))
        );
    });
}
