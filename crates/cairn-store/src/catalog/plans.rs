//! How the planner answers the hot reads: along the indices that the schema has for them.

use rusqlite::Connection;

use super::change::WITH_INPUT;
use super::index::{
    IN_RANGE, INDEX_CHUNK, INDEX_DOCUMENT, KeyRange, WITHOUT_VECTOR, known_items_sql,
};
use super::read::{CHUNK, PAGE};
use super::rows::SUMMARY;
use super::schema;

/// The steps of a query's plan.
fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let n = statement.parameter_count();
    let nulls = rusqlite::params_from_iter(std::iter::repeat_n(rusqlite::types::Null, n));
    let steps = statement.query_map(nulls, |row| row.get(3)).unwrap();
    steps.collect::<Result<_, _>>().unwrap()
}

#[test]
fn hot_reads_go_along_their_indices() {
    let dir = tempfile::tempdir().unwrap();
    let (conn, _) = schema::open_writer(&dir.path().join("c.sqlite"), 0).unwrap();
    let chunks_by_number = "SEARCH chunks USING PRIMARY KEY (tenant_id=? AND chunk_no=?)";
    let chunk_range = "SEARCH c USING PRIMARY KEY (tenant_id=? AND chunk_no>? AND chunk_no<?)";
    let chunks_from = "SEARCH c USING PRIMARY KEY (tenant_id=? AND chunk_no>?)";
    let document = "SEARCH d USING PRIMARY KEY (tenant_id=? AND document_id=?)";
    let version = "SEARCH v USING PRIMARY KEY (tenant_id=? AND document_id=? AND version=?)";
    for (sql, first, expected) in [
        (
            format!("{CHUNK} AND chunk_no = ?2"),
            chunks_by_number,
            vec![],
        ),
        (
            format!("{SUMMARY} AND d.document_id = ?2"),
            document,
            vec![version],
        ),
        (
            format!("{SUMMARY}{PAGE}"),
            "SEARCH d USING PRIMARY KEY (tenant_id=? AND document_id>?)",
            vec![version],
        ),
        (
            format!("{INDEX_CHUNK}{IN_RANGE}"),
            chunk_range,
            vec![document],
        ),
        (
            format!("{INDEX_CHUNK}{WITHOUT_VECTOR}"),
            chunks_from,
            vec![document],
        ),
        (
            format!("{INDEX_DOCUMENT} AND d.document_id = ?2"),
            document,
            vec![version],
        ),
        (
            format!("{INDEX_DOCUMENT} ORDER BY d.document_id"),
            "SEARCH d USING PRIMARY KEY (tenant_id=?)",
            vec![version],
        ),
        (
            WITH_INPUT.to_owned(),
            "SEARCH c USING INDEX chunks_by_input (input_hash=?)",
            vec![document],
        ),
        (
            "SELECT 1 FROM vectors WHERE space_id = ?1 AND input_hash = ?2".to_owned(),
            "SEARCH vectors USING COVERING INDEX",
            vec![],
        ),
        (
            "SELECT document_id FROM documents WHERE tenant_id = ?1 AND collection_id = ?2
             AND source = ?3 AND item_key = ?4 AND deleted_at IS NULL"
                .to_owned(),
            "SEARCH documents USING INDEX documents_living",
            vec![],
        ),
        (
            "SELECT job_no FROM jobs WHERE tenant_id = ?1 AND state = 'queued' AND kind = 'upload'
             ORDER BY job_no LIMIT 1"
                .to_owned(),
            "SEARCH jobs USING COVERING INDEX jobs_by_state",
            vec![],
        ),
        (
            "SELECT seq FROM changes WHERE tenant_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
                .to_owned(),
            "SEARCH changes USING PRIMARY KEY (tenant_id=? AND seq>?)",
            vec![],
        ),
    ] {
        let steps = plan(&conn, &sql);
        assert!(steps[0].starts_with(first), "{sql}: {steps:?}");
        for step in expected {
            assert!(
                steps.iter().any(|found| found.starts_with(step)),
                "{sql}: {steps:?}"
            );
        }
        // Nothing is walked whole, and nothing is sorted afterwards.
        let is_slow = |step: &String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
        assert!(!steps.iter().any(is_slow), "{sql}: {steps:?}");
    }
}

#[test]
fn known_items_go_along_the_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (conn, _) = schema::open_writer(&dir.path().join("c.sqlite"), 0).unwrap();
    for (range, bounds) in [
        (KeyRange::All, ""),
        (KeyRange::Between, " AND item_key>? AND item_key<?"),
    ] {
        let steps = plan(&conn, &known_items_sql(range));
        for index in ["documents_living", "documents_deleted"] {
            let wanted = format!(
                "SEARCH d USING INDEX {index} (tenant_id=? AND collection_id=? AND source=?{bounds})"
            );
            assert!(steps.contains(&wanted), "{steps:?}");
        }
        assert!(
            !steps.iter().any(|step| step.starts_with("SCAN")),
            "{steps:?}"
        );
    }
}
