//! What lies over the cells of a sheet: charts, text boxes, pictures (ECMA-376 part 1, section 20.5).
//!
//! In the order of the drawing part. A chart gives its titles and the values that it caches; one without cached values
//! says nothing, since its values stand in the sheet. Of pictures their description is read, and their text where it is recognised. Not covered:
//! shapes of the old VML drawings (what they hold beside comments are form controls), diagrams.

use quick_xml::events::{BytesStart, Event};

use crate::builder::Builder;
use crate::error::ExtractError;
use crate::ooxml::{Package, TextBody, push_alt, push_chart};
use crate::text::{clean, collapse_lines};
use crate::xml::{attr, reader, reference};

/// One thing of a drawing, in its order.
#[derive(Debug)]
enum Item {
    /// Relationship of the chart.
    Chart(String),
    Text(Box<TextBody>),
    /// Description of a picture or chart.
    Description(String),
    /// Relationship of a picture.
    Picture(String),
}

/// Adds what the drawings of the sheet in `part` hold.
pub(super) fn push_drawings(
    package: &mut Package<'_>,
    part: &str,
    builder: &mut Builder,
) -> Result<(), ExtractError> {
    for drawing in package.relationships(part)?.of_kind("drawing") {
        let Some(xml) = package.text(drawing, None, builder)? else {
            continue;
        };
        let (items, n_images) = parse(&xml);
        builder.report.images += n_images;
        let rels = package.relationships(drawing)?;
        for item in items {
            match item {
                Item::Chart(id) => {
                    if let Some(target) = rels.target(&id)
                        && let Some(xml) = package.text(target, None, builder)?
                    {
                        push_chart(&xml, None, builder);
                    }
                }
                Item::Text(body) => {
                    builder.left_out(body.n_fields);
                    builder.paragraph(collapse_lines(&clean(&body.plain()).0));
                }
                Item::Description(text) => push_alt(&text, None, builder),
                Item::Picture(id) => package.inset(rels.target(&id), None, builder),
            }
        }
    }
    Ok(())
}

/// The things of a drawing, and how many pictures it shows.
fn parse(xml: &str) -> (Vec<Item>, u32) {
    let mut items = Vec::new();
    let mut n_images = 0;
    let mut open: Option<TextBody> = None;
    let mut reader = reader(xml);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => match element.local_name().as_ref() {
                "txBody" => open = Some(TextBody::default()),
                _ => start(&element, &mut open, &mut items, &mut n_images),
            },
            Ok(Event::Empty(element)) => {
                start(&element, &mut open, &mut items, &mut n_images);
                if let Some(body) = &mut open {
                    body.end(element.local_name().as_ref());
                }
            }
            Ok(Event::Text(piece)) => {
                if let Some(body) = &mut open {
                    body.text(&piece.xml10_content());
                }
            }
            Ok(Event::GeneralRef(piece)) => {
                if let (Some(body), Some(text)) = (&mut open, reference(&piece)) {
                    body.text(&text.to_string());
                }
            }
            Ok(Event::End(element)) => match element.local_name().as_ref() {
                "txBody" => items.extend(open.take().map(|body| Item::Text(Box::new(body)))),
                local => {
                    if let Some(body) = &mut open {
                        body.end(local);
                    }
                }
            },
            Ok(Event::Eof) | Err(_) => return (items, n_images),
            Ok(_) => {}
        }
    }
}

fn start(
    element: &BytesStart<'_>,
    open: &mut Option<TextBody>,
    items: &mut Vec<Item>,
    n_images: &mut u32,
) {
    if let Some(body) = open {
        body.start(element);
        return;
    }
    match element.local_name().as_ref() {
        "chart" => items.extend(attr(element, "id").map(Item::Chart)),
        "blip" => {
            *n_images += 1;
            items.extend(attr(element, "embed").map(Item::Picture));
        }
        "cNvPr" => items.extend(attr(element, "descr").map(Item::Description)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::archive::tests::zip_of;
    use crate::context::Context;

    #[test]
    fn charts_text_boxes_and_descriptions_are_read() {
        let drawing = "<xdr:wsDr><xdr:cNvPr id='1' descr='Sales by year'/><xdr:graphicFrame><c:chart r:id='r1'/></xdr:graphicFrame>\
            <xdr:sp><xdr:txBody><a:p><a:r><a:t>Figures are</a:t></a:r></a:p><a:p><a:r><a:t>not audited &amp; late</a:t></a:r></a:p></xdr:txBody></xdr:sp>\
            <xdr:pic><xdr:cNvPr id='2' descr='logo.png'/><a:blip r:embed='r2'/></xdr:pic><c:chart r:id='r7'/></xdr:wsDr>";
        let rels = |kind: &str, target: &str| {
            format!(
                "<Relationships><Relationship Id='r1' Type='x/{kind}' Target='{target}'/></Relationships>"
            )
        };
        let chart = "<c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:rich></c:tx></c:title><c:ser><c:tx><c:v>North</c:v></c:tx><c:cat><c:strLit><c:pt idx='0'><c:v>2024</c:v></c:pt></c:strLit></c:cat><c:val><c:numLit><c:pt idx='0'><c:v>5</c:v></c:pt></c:numLit></c:val></c:ser></c:chart>";
        let sheet = rels("drawing", "../drawings/d.xml");
        let charts = rels("chart", "../charts/c.xml");
        let bytes = zip_of(&[
            ("xl/worksheets/_rels/s.xml.rels", sheet.as_bytes()),
            ("xl/drawings/d.xml", drawing.as_bytes()),
            ("xl/drawings/_rels/d.xml.rels", charts.as_bytes()),
            ("xl/charts/c.xml", chart.as_bytes()),
        ]);
        let cx = Context::for_test();
        let mut package = Package::open(&bytes, &cx).unwrap();
        let mut builder = Builder::new(100);
        push_drawings(&mut package, "xl/worksheets/s.xml", &mut builder).unwrap();
        let texts: Vec<&str> = builder.body().map(|e| e.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "Sales by year",
                "Sales",
                "| North\n2024 | 5",
                "Figures are\nnot audited & late"
            ]
        );
        assert_eq!((builder.report.images, builder.report.tables), (1, 1));
        assert!(builder.report.warnings.is_empty());
    }

    proptest! {
        #[test]
        fn any_drawing_is_read(xml in "(<(/?)(a:p|a:t|txBody|c:chart r:id='1'|cNvPr descr='x'|a:br/)>|x|&amp;){0,30}") {
            parse(&xml);
        }
    }
}
