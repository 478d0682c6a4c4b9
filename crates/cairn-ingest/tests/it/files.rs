//! Runs over files: what stays, what moves, what goes.

use cairn_ingest::{DeletionGuard, FilesRequest, PipelineOptions, Unreadable};
use cairn_testkit::access;
use cairn_types::{ErrorKind, HasKind as _, JobState};

use crate::Test;
use crate::world::{World, run, tags};

pub(crate) const TESTS: &[Test] = &[
    (
        "files::tags_and_readers_stay_where_none_are_given",
        labels_stay,
    ),
    (
        "files::a_document_is_narrowed_before_it_comes_back",
        narrowed_first,
    ),
    (
        "files::a_sync_keeps_what_it_could_not_look_at",
        unreadable_is_not_gone,
    ),
    ("files::moves_do_not_depend_on_the_pace_of_threads", moves),
    (
        "files::nothing_is_kept_of_a_file_that_cannot_be_read",
        no_leak,
    ),
    (
        "files::a_job_ends_though_its_failures_are_not_recorded",
        job_ends,
    ),
    (
        "files::a_run_stops_where_no_worker_starts",
        no_worker_no_run,
    ),
    ("files::a_move_that_is_refused_fails_alone", refused_move),
];

fn no_worker_no_run() {
    run(async {
        let mut world = World::new().await;
        for name in ["a.md", "b.md", "c.md"] {
            world.write(name, name);
        }
        let without = world.pipeline_without_workers();
        let sound = std::mem::replace(&mut world.pipeline, without);
        let error = world.ingest(world.request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("no-such-program"), "{error}");
        assert!(error.hint().is_some(), "{error}");
        let job = &world.jobs().await[0];
        assert_eq!(job.state, JobState::Failed);
        assert!(
            job.request.items.is_empty(),
            "no document is to blame: {job:?}"
        );
        world.pipeline = sound;
        let summary = world.ingest(world.request()).await.unwrap();
        assert_eq!((summary.n_added, summary.n_failed), (3, 0));
    });
}

fn labels_stay() {
    run(async {
        let mut world = World::new().await;
        world.write("a.md", "first text");
        let mut request = world.request();
        request.tags = tags(&["t"]);
        request.access = Some(access(&["group:hr"]));
        world.ingest(request).await.unwrap();
        world.write("a.md", "second text");
        assert_eq!(world.ingest(world.request()).await.unwrap().n_updated, 1);
        let document = world.document("a.md").await;
        assert_eq!(
            (document.tags, document.access),
            (tags(&["t"]), access(&["group:hr"]))
        );
        // Another pipeline reads it anew.
        let mut options = PipelineOptions::default();
        options.chunk.max_tokens -= 10;
        world.pipeline = world.pipeline_with(None, options);
        assert_eq!(world.ingest(world.request()).await.unwrap().n_updated, 1);
        let document = world.document("a.md").await;
        assert_eq!(
            (document.tags, document.access),
            (tags(&["t"]), access(&["group:hr"]))
        );
    });
}

fn narrowed_first() {
    run(async {
        let world = World::new().await;
        world.write("a.md", "some text");
        world.ingest(world.request()).await.unwrap();
        let id = world.document("a.md").await.id;
        world
            .catalog
            .delete_documents(&world.owner(), &[id])
            .await
            .unwrap();
        // The step that follows the restoration, or stands before it, fails: the document must not be back with its old readers.
        world.sql(
            "CREATE TRIGGER refuse BEFORE UPDATE OF acl_id ON documents
             WHEN new.acl_id <> old.acl_id BEGIN SELECT RAISE(ABORT, 'refused'); END",
        );
        let request = FilesRequest {
            access: Some(access(&["user:anna"])),
            ..world.request()
        };
        assert_eq!(world.ingest(request.clone()).await.unwrap().n_failed, 1);
        assert!(world.document("a.md").await.deleted_at.is_some());
        world.sql("DROP TRIGGER refuse");
        world.ingest(request).await.unwrap();
        let document = world.document("a.md").await;
        assert_eq!(
            (document.deleted_at, document.access),
            (None, access(&["user:anna"]))
        );
    });
}

fn unreadable_is_not_gone() {
    run(async {
        let world = World::new().await;
        for name in ["kept.md", "sub/a.md", "sub/b.md", "single.md", "gone.md"] {
            world.write(name, name);
        }
        world.ingest(world.request()).await.unwrap();
        for name in ["sub/a.md", "sub/b.md", "single.md", "gone.md"] {
            world.remove(name);
        }
        let sync = |unreadable: &[&str]| {
            let mut request = world.request();
            request.deletions = DeletionGuard::Confirmed;
            request.discovered.unreadable = unreadable
                .iter()
                .map(|path| Unreadable {
                    path: world.docs().join(path),
                    reason: "permission denied".to_owned(),
                })
                .collect();
            request
        };
        let is_deleted = async |name| world.document(name).await.deleted_at.is_some();
        // The walk failed somewhere below the root.
        assert_eq!(world.ingest(sync(&[""])).await.unwrap().n_deleted, 0);
        let summary = world.ingest(sync(&["sub", "single.md"])).await.unwrap();
        assert_eq!((summary.n_deleted, summary.n_failed), (1, 2));
        for (name, expected) in [
            ("kept.md", false),
            ("a.md", false),
            ("b.md", false),
            ("single.md", false),
            ("gone.md", true),
        ] {
            assert_eq!(is_deleted(name).await, expected, "{name}");
        }
        assert_eq!(world.ingest(sync(&[])).await.unwrap().n_deleted, 3);
    });
}

fn moves() {
    run(async {
        let world = World::new().await;
        for name in ["1.md", "2.md", "3.md"] {
            world.write(name, "the same text");
        }
        world.write("deleted.md", "deleted text");
        world.ingest(world.request()).await.unwrap();
        let mut ids = Vec::new();
        for name in ["1.md", "2.md", "3.md"] {
            ids.push(world.document(name).await.id);
            world.remove(name);
        }
        let deleted = world.document("deleted.md").await.id;
        world
            .catalog
            .delete_documents(&world.owner(), &[deleted])
            .await
            .unwrap();
        world.remove("deleted.md");
        for name in ["new/1.md", "new/2.md", "new/3.md"] {
            world.write(name, "the same text");
        }
        world.write("new/other.md", "deleted text");
        let summary = world.ingest(world.request()).await.unwrap();
        assert_eq!((summary.n_moved, summary.n_added), (3, 1));
        for (name, id) in ["1.md", "2.md", "3.md"].into_iter().zip(ids) {
            assert_eq!(world.document(name).await.id, id, "{name}");
        }
        assert_ne!(world.document("other.md").await.id, deleted);
    });
}

fn refused_move() {
    run(async {
        let world = World::new().await;
        world.write("1.md", "one text");
        world.write("2.md", "another text");
        world.ingest(world.request()).await.unwrap();
        let id = world.document("1.md").await.id;
        world.remove("1.md");
        world.write("a/moved.md", "one text");
        world.write("b/new.md", "a new text");
        // The moved file comes before the new one.
        world.sql(
            "CREATE TRIGGER refuse BEFORE UPDATE OF item_key ON documents
             WHEN new.item_key <> old.item_key BEGIN SELECT RAISE(ABORT, 'refused'); END",
        );
        let summary = world.ingest(world.request()).await.unwrap();
        assert_eq!(
            (summary.n_failed, summary.n_added, summary.n_unchanged),
            (1, 1, 1)
        );
        assert_eq!(world.document("1.md").await.id, id);
        world.sql("DROP TRIGGER refuse");
        assert_eq!(world.ingest(world.request()).await.unwrap().n_moved, 1);
        assert_eq!(world.document("moved.md").await.id, id);
    });
}

fn no_leak() {
    run(async {
        let world = World::new().await;
        world.write("good.md", "good text");
        world.write("bad.pdf", "%PDF-1.7 and no more");
        let summary = world.ingest(world.request()).await.unwrap();
        assert_eq!(
            (summary.n_added, summary.n_failed + summary.n_skipped),
            (1, 1)
        );
        assert!(world.has_original("good text"));
        assert!(!world.has_original("%PDF-1.7 and no more"));
    });
}

fn job_ends() {
    run(async {
        let world = World::new().await;
        world.write("good.md", "good text");
        world.sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON job_items
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
        );
        let mut request = world.request();
        request.discovered.unreadable.push(Unreadable {
            path: world.docs().join("bad.md"),
            reason: "permission denied".to_owned(),
        });
        let summary = world.ingest(request).await.unwrap();
        assert_eq!((summary.n_added, summary.n_failed), (1, 1));
        let jobs = world.jobs().await;
        assert_eq!(jobs[0].state, JobState::Done);
        let message = jobs[0].message.clone().unwrap();
        assert!(message.contains("could be recorded"), "{message}");
    });
}
