//! A slice of the campaign that `examples/hostile` runs at length: damaged documents through real workers.

#[path = "../../examples/hostile/campaign.rs"]
mod campaign;
#[path = "../../examples/hostile/mutate.rs"]
mod mutate;

use std::sync::Arc;
use std::time::Duration;

use cairn_extract::{ExtractOptions, NoTools, WorkerLimits, WorkerPool};

pub(crate) use campaign::end_at_own_panics;

pub(crate) fn damaged_documents_end_no_worker() {
    let Some(data) = cairn_testkit::need("data") else {
        return;
    };
    let mut documents = Vec::new();
    for folder in fs_err::read_dir(data.join("docs")).unwrap() {
        for file in fs_err::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs_err::read(&path).unwrap();
            if !bytes.is_empty() {
                documents.push((path, bytes));
            }
        }
    }
    documents.sort();
    let limits = WorkerLimits {
        n_workers: 2,
        deadline: Duration::from_secs(120),
        memory_bytes: 1 << 30,
        isolation: super::limits().isolation,
        ..WorkerLimits::default()
    };
    let limit_kib = limits.memory_bytes >> 10;
    let options = ExtractOptions {
        pdfium: cairn_testkit::need("pdfium"),
        ..ExtractOptions::default()
    };
    let pool = WorkerPool::new(super::command("strict"), limits, options, Arc::new(NoTools));
    let figures = campaign::run(&pool, &documents, 300, 7, None);
    assert_eq!(figures.outcomes.values().sum::<usize>(), 300);
    assert!(figures.faults.is_empty(), "{figures:#?}");
    assert!(figures.peak_kib <= limit_kib, "{figures:#?}");
    assert!(figures.outcomes.len() > 1, "{figures:#?}");
}
