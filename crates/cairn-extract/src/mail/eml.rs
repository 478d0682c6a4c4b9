//! Internet messages (RFC 5322 with MIME, RFC 2045–2049) and mailboxes of them (mbox), by `mail-parser`.

use cairn_types::WarningCode;
use mail_parser::mailbox::mbox::MessageIterator;
use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use super::{Body, Envelope, better, push_attachment, push_part, read_body};
use crate::builder::Builder;
use crate::context::Context;
use crate::error::ExtractError;
use crate::extract::read_part;

/// Reads a message, or all messages of a mailbox.
pub(crate) fn read(
    bytes: &[u8],
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    if bytes.starts_with(b"From ") {
        return read_mailbox(bytes, cx, builder);
    }
    let message = MessageParser::default()
        .parse(bytes)
        .ok_or_else(|| ExtractError::malformed("it has no header of an e-mail message"))?;
    envelope(&message).push(builder);
    push_bodies(&message, cx, builder)?;
    builder.report.images += n_inline_pictures(&message);
    let is_body = |id: &u32| message.text_body.contains(id) || message.html_body.contains(id);
    let attached = message.attachments.iter().filter(|id| !is_body(id));
    for (idx, part) in attached.filter_map(|id| message.part(*id)).enumerate() {
        if is_inline_picture(part) {
            continue;
        }
        let name = name_of(part, idx);
        if part.is_encoding_problem {
            builder.warn(
                WarningCode::Recovered,
                None,
                format!(
                    "attachment `{name}` is not encoded as its header says: it may be incomplete"
                ),
            );
        }
        push_attachment(&name, part.contents(), cx, builder);
    }
    Ok(())
}

fn read_mailbox(bytes: &[u8], cx: &Context<'_>, builder: &mut Builder) -> Result<(), ExtractError> {
    builder.headings_are_names = true;
    for (idx, message) in MessageIterator::new(bytes).enumerate() {
        let name = format!("message {}", idx + 1);
        let message = message
            .map_err(|error| ExtractError::malformed(format!("damaged mailbox: {error}")))?;
        cx.count_expanded(message.contents().len() as u64)?;
        // Named as a message: its first line may look like anything.
        let read = read_part(&format!("{name}.eml"), message.contents(), cx);
        push_part(&name, read, builder);
        if cx.is_spent() {
            builder.warn(
                WarningCode::Limit,
                None,
                format!(
                    "only the first {} messages of the mailbox were read",
                    idx + 1
                ),
            );
            break;
        }
    }
    Ok(())
}

fn envelope(message: &Message<'_>) -> Envelope {
    let date = message.header_raw("Date").map(|raw| raw.trim().to_owned());
    Envelope {
        subject: message.subject().map(str::to_owned),
        from: message.from().map(addresses),
        to: message.to().map(addresses),
        cc: message.cc().map(addresses),
        date,
    }
}

fn addresses(address: &Address<'_>) -> String {
    let all = address.iter().map(|one| match (one.name(), one.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    });
    all.filter(|one| !one.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The bodies that a reader of the message sees, in order.
fn push_bodies(
    message: &Message<'_>,
    cx: &Context<'_>,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    let plain = bodies(message, &message.text_body, cx)?;
    let chosen = if message.html_body == message.text_body {
        plain
    } else {
        better(plain, bodies(message, &message.html_body, cx)?)
    };
    builder.absorb(chosen.finish("message/rfc822"));
    Ok(())
}

fn bodies(message: &Message<'_>, ids: &[u32], cx: &Context<'_>) -> Result<Builder, ExtractError> {
    let mut builder = Builder::new(cx.options.max_elements);
    for part in ids.iter().filter_map(|id| message.part(*id)) {
        let read = match &part.body {
            PartType::Text(text) => read_body(&Body::Plain(text), cx)?,
            PartType::Html(html) => read_body(&Body::Html(html), cx)?,
            PartType::Binary(_)
            | PartType::InlineBinary(_)
            | PartType::Message(_)
            | PartType::Multipart(_) => continue,
        };
        if part.is_encoding_problem {
            builder.warn(
                WarningCode::Recovered,
                None,
                "a body of the message is not encoded as its header says",
            );
        }
        builder.absorb(read.finish("message/rfc822"));
    }
    Ok(builder)
}

fn n_inline_pictures(message: &Message<'_>) -> u32 {
    let n = message
        .parts
        .iter()
        .filter(|part| is_inline_picture(part))
        .count();
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A picture that a body refers to by its id: decoration or a screenshot, not a document.
fn is_inline_picture(part: &MessagePart<'_>) -> bool {
    let is_picture = part
        .content_type()
        .is_some_and(|kind| kind.c_type.eq_ignore_ascii_case("image"));
    let is_attached = part
        .content_disposition()
        .is_some_and(mail_parser::ContentType::is_attachment);
    is_picture && part.content_id().is_some() && !is_attached
}

/// The name that its sender gave it, or one that tells the type.
fn name_of(part: &MessagePart<'_>, idx: usize) -> String {
    if let Some(name) = part.attachment_name() {
        return name.to_owned();
    }
    let extension = match &part.body {
        PartType::Message(_) => "eml",
        PartType::Html(_) => "html",
        PartType::Text(_) => "txt",
        PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Multipart(_) => {
            return format!("attachment {}", idx + 1);
        }
    };
    format!("attachment {}.{extension}", idx + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::extract::extract;
    use crate::options::ExtractOptions;

    const NESTED: &str = "From: Ann <ann@example.org>\r\nTo: Bo <bo@example.org>, cy@example.org\r\n\
        Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Mon, 4 Mar 2024 10:00:00 +0100\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: multipart/alternative; boundary=A\r\n\r\n\
        --A\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        The caf=E9 is open.\r\n> old line\r\n\r\nBye\r\n--A\r\nContent-Type: text/html\r\n\r\n<p>The <b>caf&eacute;</b> is open.</p>\r\n--A--\r\n\
        --B\r\nContent-Type: text/csv; name=\"plan.csv\"\r\nContent-Disposition: attachment; filename=\"plan.csv\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nZGF5LGhvdXJzCk1vbiw4ClR1ZSw5Cg==\r\n\
        --B\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@example.org\r\nTo: y@example.org\r\nSubject: Inner\r\n\r\nDeep text.\r\n\
        --B\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo>\r\n\r\nnot shown\r\n\
        --B\r\nContent-Type: application/octet-stream; name=blob.bin\r\nContent-Disposition: attachment; filename=blob.bin\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nAAECAwQFBgc=\r\n--B--\r\n";

    #[test]
    fn a_message_is_its_envelope_body_and_attachments() {
        let read = extract("a.eml", NESTED.as_bytes(), &ExtractOptions::default()).unwrap();
        let text = read.render().text;
        assert_eq!(read.title.as_deref(), Some("Grüße"));
        for expect in [
            "From: Ann <ann@example.org>\nTo: Bo <bo@example.org>, cy@example.org\nDate: Mon, 4 Mar 2024 10:00:00 +0100",
            "The café is open.\n> old line\n\nBye",
            "plan.csv\n\n",
            "Tue | 9",
            "Inner\n\nFrom: x@example.org\nTo: y@example.org\n\nDeep text.",
        ] {
            assert!(text.contains(expect), "{expect} in {text}");
        }
        assert_eq!(
            text.matches("café").count(),
            1,
            "one alternative only: {text}"
        );
        assert_eq!((read.report.parts, read.report.parts_failed), (3, 1));
        assert_eq!(read.report.warnings[0].part.as_deref(), Some("blob.bin"));
        assert_eq!(read.report.images, 1);
    }

    #[test]
    fn a_stand_in_for_the_html_body_is_not_taken() {
        let message = "From: a@b.c\nTo: d@e.f\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=A\n\n\
            --A\nContent-Type: text/plain\n\nSee HTML.\n--A\nContent-Type: text/html\n\n<p>All of the news of this long week, in many, many words.</p>\n--A--\n";
        let read = extract("a.eml", message.as_bytes(), &ExtractOptions::default()).unwrap();
        let text = read.render().text;
        assert!(
            text.contains("long week") && !text.contains("See HTML"),
            "{text}"
        );
    }

    #[test]
    fn a_mailbox_is_its_messages() {
        let mailbox = "From a@b.c Mon Mar  4 10:00:00 2024\nFrom: a@b.c\nTo: b@b.c\nSubject: One\n\nFirst.\n\n\
            From a@b.c Mon Mar  4 11:00:00 2024\nFrom: a@b.c\nTo: b@b.c\nSubject: Two\n\n>From afar.\n";
        let read = extract("all.mbox", mailbox.as_bytes(), &ExtractOptions::default()).unwrap();
        let text = read.render().text;
        assert!(text.contains("message 2\n\nTwo"), "{text}");
        assert!(text.contains("\n\nFrom afar."), "{text}");
        assert_eq!(read.report.parts, 2);
    }

    #[test]
    fn nesting_is_bounded() {
        let n = 10_000;
        let mut message = String::from("From: a@b.c\nTo: d@e.f\nSubject: s\n");
        for i in 0..n {
            message.push_str(&format!(
                "Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n"
            ));
        }
        message.push_str("Content-Type: text/plain\n\nbottom\n");
        let _ = extract("a.eml", message.as_bytes(), &ExtractOptions::default());
        let mut message = b"From: a@b.c\nTo: d@e.f\nSubject: core\n\nheart\n".to_vec();
        for _ in 0..20 {
            let mut outer = b"From: a@b.c\nTo: d@e.f\nSubject: s\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n".to_vec();
            outer.extend(message);
            message = outer;
        }
        let read = extract("a.eml", &message, &ExtractOptions::default()).unwrap();
        assert_eq!(read.report.parts_failed, 1, "{:?}", read.report);
    }

    proptest! {
        #[test]
        fn never_panics(cut in 0usize..1400, at in 0usize..1400, byte in any::<u8>()) {
            let mut bytes = NESTED.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(bytes.len().saturating_sub(cut));
            if let Err(error) = extract("a.eml", &bytes, &ExtractOptions::default()) {
                prop_assert!(!matches!(error, crate::ExtractError::Crashed { .. }), "{error}");
            }
        }
    }

    fn alternative(plain: &str, html: &str) -> cairn_types::Extracted {
        let message = format!(
            "From: a@b.c\nTo: d@e.f\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=A\n\n\
             --A\nContent-Type: text/plain\n\n{plain}\n--A\nContent-Type: text/html\n\n{html}\n--A--\n"
        );
        extract("a.eml", message.as_bytes(), &ExtractOptions::default()).unwrap()
    }

    #[test]
    fn the_body_that_says_more_is_taken() {
        let cannot = "Your mail program cannot show HTML.";
        for (plain, html, expect) in [
            (cannot, "<p>The offer is due on 4 May at noon.</p>", "4 May"),
            (
                cannot,
                "<table><tr><th>Day<th>Due<tr><td>Mon<td>9</table>",
                "Mon",
            ),
            (
                "Tea at noon, coffee at three.",
                "<p>Tea at <b>noon</b>, coffee at three.</p>",
                "coffee",
            ),
            (
                "Tea at noon.",
                "<p>Tea at noon. Coffee at three, milk at four.</p>",
                "milk",
            ),
        ] {
            let read = alternative(plain, html);
            let text = read.render().text;
            assert!(text.contains(expect), "{expect} in {text}");
            assert!(!text.contains(cannot), "{text}");
            let report = &read.report;
            assert!(report.chars_seen > report.chars_kept, "{report:?}");
            assert_eq!(report.chars_failed, 0);
        }
    }

    #[test]
    fn attachments_in_broken_base64_are_named() {
        let message = "From: a@b.c\nTo: d@e.f\nSubject: s\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n\
            --A\nContent-Type: text/plain\n\nSee the file.\n--A\nContent-Type: text/plain; name=plan.txt\n\
            Content-Disposition: attachment; filename=plan.txt\nContent-Transfer-Encoding: base64\n\n!!!!notbase64????\n--A--\n";
        let read = extract("a.eml", message.as_bytes(), &ExtractOptions::default()).unwrap();
        assert!(
            read.report
                .warnings
                .iter()
                .any(|warning| warning.reason.contains("`plan.txt` is not encoded")),
            "{:?}",
            read.report
        );
    }
}
