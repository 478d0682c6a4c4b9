//! E-mail: what a message says, then what is attached to it, each attachment read as a document of its own.
//!
//! The subject is a heading, sender, recipients and date are one paragraph, so that they can be asked for. Of a body that
//! comes as text and as HTML the text is kept, unless the HTML says more. Signatures (`smime.p7s`, PGP) hold no text
//! of a person and are passed over; pictures that a body shows in line are counted.

mod eml;
mod lzfu;
mod msg;

pub(crate) use eml::read as read_eml;
pub(crate) use msg::read as read_msg;

use std::collections::HashSet;

use cairn_types::{Element, ElementKind, Extracted};

use crate::builder::Builder;
use crate::containers::label;
use crate::context::Context;
use crate::error::ExtractError;
use crate::extract::read_part;
use crate::html;

/// An HTML body with this many times the characters of the plain one (in halves) says more than it.
const MORE_HALVES: u64 = 3;

/// Who wrote to whom, when, about what; as the message says it.
#[derive(Debug, Default)]
struct Envelope {
    subject: Option<String>,
    from: Option<String>,
    to: Option<String>,
    cc: Option<String>,
    date: Option<String>,
}

impl Envelope {
    fn push(&self, builder: &mut Builder) {
        if let Some(subject) = &self.subject {
            builder.title = Some(subject.clone());
            builder.heading(1, subject.as_str());
        }
        let mut lines = String::new();
        for (name, value) in [
            ("From", &self.from),
            ("To", &self.to),
            ("Cc", &self.cc),
            ("Date", &self.date),
        ] {
            let value = value
                .as_deref()
                .map(crate::text::collapse)
                .unwrap_or_default();
            if !value.is_empty() {
                lines.push_str(name);
                lines.push_str(": ");
                lines.push_str(&value);
                lines.push('\n');
            }
        }
        builder.push(Element::new(ElementKind::Paragraph, lines));
    }
}

/// One way in which a body is written.
enum Body<'a> {
    Plain(&'a str),
    Html(&'a str),
    Rtf(&'a [u8]),
}

/// Reads a body into books of its own, so that two ways of writing it can be compared.
fn read_body(body: &Body<'_>, cx: &Context<'_>) -> Result<Builder, ExtractError> {
    let mut builder = Builder::new(cx.options.max_elements);
    match body {
        Body::Plain(text) => push_plain(text, &mut builder),
        Body::Html(html) => html::read_fragment(html, &mut builder),
        Body::Rtf(bytes) => builder.absorb(read_part("body.rtf", bytes, cx)?),
    }
    Ok(builder)
}

/// The plain body, unless the HTML body says more: a table, half as much again, or mostly other words. The other one
/// counts as left out.
fn better(plain: Builder, html: Builder) -> Builder {
    let (n_plain, n_html) = (plain.report.chars_kept, html.report.chars_kept);
    let is_more = n_html > 0
        && (html.report.tables > 0
            || n_html * 2 >= n_plain * MORE_HALVES
            || n_html * 2 >= n_plain && !says_the_same(&plain, &html));
    let (mut chosen, n_rejected) = if is_more || n_plain == 0 {
        (html, n_plain)
    } else {
        (plain, n_html)
    };
    chosen.left_out(n_rejected);
    chosen
}

/// Whether at least half of the HTML body's words stand in the plain one.
fn says_the_same(plain: &Builder, html: &Builder) -> bool {
    let plain = words(plain);
    let html = words(html);
    html.intersection(&plain).count() * 2 >= html.len()
}

fn words(body: &Builder) -> HashSet<&str> {
    body.elements()
        .iter()
        .flat_map(|element| element.text.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Paragraphs of a plain body. Lines of quoted messages keep their marks and their breaks.
fn push_plain(text: &str, builder: &mut Builder) {
    let (text, n_control) = crate::text::clean(text);
    builder.left_out(n_control);
    let mut paragraph = String::new();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            builder.paragraph(std::mem::take(&mut paragraph));
        } else {
            if !paragraph.is_empty() {
                paragraph.push('\n');
            }
            paragraph.push_str(line.trim_end());
        }
    }
}

/// Reads an attachment as a part, unless it holds no text of a person.
fn push_attachment(name: &str, bytes: &[u8], cx: &Context<'_>, builder: &mut Builder) {
    let name = label(name);
    let extension = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    if bytes.is_empty() || matches!(extension.as_deref(), Some("p7s" | "asc" | "sig")) {
        return;
    }
    push_part(&name, read_part(&name, bytes, cx), builder);
}

fn push_part(name: &str, read: Result<Extracted, ExtractError>, builder: &mut Builder) {
    match read {
        Ok(part) => builder.push_part(name, 1, part),
        Err(error) => builder.failed_part(name, &error),
    }
}
