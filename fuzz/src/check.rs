//! What must hold for every input, and which panics count.

use cairn_extract::ExtractError;
use cairn_types::Extracted;

/// Demands that what was read keeps its books: nothing is kept or lost that was not seen, spans slice back to their
/// elements, and no element is empty.
///
/// # Panics
/// Where one of these does not hold; that is its purpose.
pub fn check(result: &Result<Extracted, ExtractError>) {
    let Ok(extracted) = result else {
        return;
    };
    let report = &extracted.report;
    assert!(
        report.chars_kept + report.chars_failed <= report.chars_seen,
        "kept {} and failed {} of {} characters",
        report.chars_kept,
        report.chars_failed,
        report.chars_seen
    );
    let coverage = report.coverage();
    assert!((0.0..=1.0).contains(&coverage), "coverage {coverage}");
    let rendered = extracted.render();
    assert_eq!(rendered.spans.len(), extracted.elements.len());
    for (element, span) in extracted.elements.iter().zip(&rendered.spans) {
        assert!(!element.text.trim().is_empty(), "an empty element");
        if extracted.elements.len() < 100 {
            assert_eq!(span.slice(&rendered.text), Some(element.text.as_str()));
        }
    }
}

/// Ends the process at a panic in our own code. One inside a library that we call becomes an error of the one document
/// by design (see `cairn_extract::extract`), and is passed over here.
pub fn watch_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_ours = panic.location().is_none_or(|location| {
            let file = location.file();
            file.contains("crates/cairn-") || file.starts_with("fuzz/")
        });
        if is_ours {
            default(panic);
            std::process::abort();
        }
    }));
}
