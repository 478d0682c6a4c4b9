//! Pictures within documents: diagrams, screenshots and scanned pages that somebody put into a text, a slide, a sheet or a book.
//!
//! Where text recognition is at hand, what stands in a large enough picture is read where the picture stands, and the report
//! says where, how much and how sure. Everything else only counts as a picture, as without text recognition: photographs are
//! full of what looks like a letter, so a picture's text is taken only where recognition is sure of it as a whole.
//! Each picture is read once, however often it stands in the document. Bounds: the number of pictures, their bytes, failures in
//! a row, and the time that the document has for tools.

use std::collections::HashSet;

use cairn_types::{BlobHash, Element, ElementKind, WarningCode};

use crate::builder::{Builder, count_text};
use crate::context::Context;
use crate::ocr::{self, OcrPage};
use crate::picture;
use crate::tools::ToolRequest;

/// Largest picture file that is looked at.
pub(crate) const MAX_BYTES: u64 = 32 << 20;
/// What must be left of the bytes that a document may expand to, so that pictures never cost it its text.
pub(crate) const MIN_ROOM: u64 = 4 * MAX_BYTES;
/// Pixels below which a picture is a sign or an ornament. Guesses.
const MIN_WIDTH: u32 = 150;
const MIN_HEIGHT: u32 = 40;
const MIN_PIXELS: u64 = 20_000;
/// Mean confidence and number of letters and digits from which on recognised text is taken for text.
const MIN_CONFIDENCE: f64 = 0.6;
const MIN_LETTERS: usize = 6;
/// Failures in a row after which no more pictures are sent.
const MAX_FAILURES: u32 = 3;

/// What a document has had of pictures; shared by all documents within it.
#[derive(Debug, Default)]
pub(crate) struct Insets {
    n_read: u32,
    n_failures: u32,
    /// Whether nothing can be recognised; not known before the first picture.
    is_refused: Option<bool>,
    seen: HashSet<BlobHash>,
    /// Pictures that were not read because there are too many.
    n_over: u32,
    /// Pictures that were not read because those before them failed.
    n_given_up: u32,
    /// Places of pictures that were not looked at for want of [`MIN_ROOM`]: a picture may stand at several.
    n_no_room: u32,
}

/// Whether the picture at hand is looked at, so that there is a use in finding its bytes. Where only room is wanting, its
/// place is counted for [`finish`]: to be asked once for each place.
pub(crate) fn is_open(cx: &Context<'_>) -> bool {
    let mut insets = cx.insets.borrow_mut();
    if cx.options.max_inset_pictures == 0 {
        return false;
    }
    let is_refused = insets
        .is_refused
        .get_or_insert_with(|| cx.refusal(&ToolRequest::Recognize { dpi: None }).is_some());
    if *is_refused {
        return false;
    }
    let has_room = cx.room() >= MIN_ROOM;
    insets.n_no_room += u32::from(!has_room);
    has_room
}

/// Adds the text of the picture `bytes`, called `name`, that stands on `page`; adds nothing where there is none to speak of.
pub(crate) fn push(
    cx: &Context<'_>,
    name: &str,
    bytes: &[u8],
    page: Option<u32>,
    builder: &mut Builder,
) {
    let is_large = |header: &picture::Header| {
        header.width >= MIN_WIDTH
            && header.height >= MIN_HEIGHT
            && (MIN_PIXELS..=picture::MAX_PIXELS).contains(&header.pixels)
    };
    let Some(header) = picture::header(bytes).filter(is_large) else {
        return;
    };
    if !is_open(cx) {
        return;
    }
    {
        let mut insets = cx.insets.borrow_mut();
        if !insets.seen.insert(BlobHash::of(bytes)) {
            return;
        }
        if insets.n_failures >= MAX_FAILURES {
            insets.n_given_up += 1;
            return;
        }
        if insets.n_read >= cx.options.max_inset_pictures {
            insets.n_over += 1;
            return;
        }
        insets.n_read += 1;
    }
    // The resolution in a file is often untrue.
    let found = ocr::recognize(cx, bytes, None);
    let mut insets = cx.insets.borrow_mut();
    match found {
        Ok(pages) => {
            insets.n_failures = 0;
            drop(insets);
            // Of a picture with several pages only the first is shown.
            if let Some(found) = pages.first().filter(|_| header.n_pages >= 1) {
                push_text(found, name, page, builder);
            }
        }
        Err(error) => {
            insets.n_failures += 1;
            drop(insets);
            let reason = format!("the picture `{name}` was not read: {error}");
            builder.warn(WarningCode::Converted, page, reason);
        }
    }
}

/// Says how many pictures were left alone, and why; to be called at the end of a document.
pub(crate) fn finish(cx: &Context<'_>, builder: &mut Builder) {
    let mut insets = cx.insets.borrow_mut();
    let n_over = std::mem::take(&mut insets.n_over);
    let n_given_up = std::mem::take(&mut insets.n_given_up);
    let n_no_room = std::mem::take(&mut insets.n_no_room);
    drop(insets);
    let mut warn = |reason| builder.warn(WarningCode::Converted, None, reason);
    if n_over > 0 {
        warn(format!(
            "text recognition was not used on {n_over} more pictures; `extract.ocr_pictures` says on how many it is"
        ));
    }
    if n_given_up > 0 {
        warn(format!(
            "text recognition was not used on {n_given_up} more pictures, since it failed on {MAX_FAILURES} in a row"
        ));
    }
    if n_no_room > 0 {
        warn(format!(
            "pictures at {n_no_room} places were not looked at, since too little is left of the {} bytes that the document \
             may expand to",
            cx.options.max_expanded_bytes
        ));
    }
}

fn push_text(found: &OcrPage, name: &str, page: Option<u32>, builder: &mut Builder) {
    builder
        .report
        .ocr
        .get_or_insert_default()
        .add(&found.summary);
    let text = found.text();
    let n_letters = text.chars().filter(|c| c.is_alphanumeric()).count();
    let is_text = found.summary.confidence >= MIN_CONFIDENCE && n_letters >= MIN_LETTERS;
    builder.left_out(found.chars_failed);
    if !is_text {
        builder.left_out(count_text(&text));
        return;
    }
    let percent = found.summary.confidence * 100.0;
    let n_words = found.summary.words;
    let left_out = match found.chars_failed {
        0 => String::new(),
        n => format!(", {n} characters left out"),
    };
    let reason = format!(
        "text in the picture `{name}` was recognised: {n_words} words, {percent:.0} % sure{left_out}"
    );
    builder.warn(WarningCode::Converted, page, reason);
    let mut element = Element::new(ElementKind::Image, text);
    element.page = page;
    builder.push(element);
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::archive::tests::zip_of;
    use crate::context::Origin;
    use crate::detect::MediaType;
    use crate::extract::read_as;
    use crate::options::ExtractOptions;
    use crate::picture::tests::png_of;
    use crate::tools::{NoTools, ToolError, Tools};

    /// A Tesseract that reads the picture's width in pixels, and remembers how often it was asked.
    #[derive(Default)]
    pub(crate) struct ReadsWidth {
        pub(crate) asked: RefCell<Vec<u32>>,
    }

    impl Tools for ReadsWidth {
        fn call(&self, _request: &ToolRequest, payload: &[u8]) -> Result<Vec<u8>, ToolError> {
            let width = picture::header(payload).unwrap().width;
            self.asked.borrow_mut().push(width);
            let confidence = if width == 555 { 31 } else { 91 };
            Ok(format!(
                "1\t1\t0\t0\t0\t0\t0\t0\t100\t100\t-1\t\n\
                 5\t1\t1\t1\t1\t1\t0\t0\t1\t1\t{confidence}\tPicture\n\
                 5\t1\t1\t1\t1\t2\t0\t0\t1\t1\t{confidence}\t{width}\n"
            )
            .into_bytes())
        }

        fn refusal(&self, _request: &ToolRequest) -> Option<ToolError> {
            None
        }
    }

    fn read(tools: &dyn Tools, max: u32, widths: &[u32]) -> Builder {
        let options = ExtractOptions {
            max_inset_pictures: max,
            ..ExtractOptions::default()
        };
        let cx = Context::new(&options, Origin::File, tools);
        let mut builder = Builder::new(100);
        for &width in widths {
            let name = format!("{width}.png");
            push(&cx, &name, &png_of(width, 200, 0), Some(7), &mut builder);
        }
        finish(&cx, &mut builder);
        builder
    }

    fn texts(builder: &Builder) -> Vec<&str> {
        builder.elements().iter().map(|e| e.text.as_str()).collect()
    }

    #[test]
    fn text_of_pictures_is_marked_and_each_is_read_once() {
        let tools = ReadsWidth::default();
        let builder = read(&tools, 9, &[300, 100, 300, 400]);
        assert_eq!(texts(&builder), ["Picture 300", "Picture 400"]);
        assert_eq!(*tools.asked.borrow(), [300, 400]);
        let element = &builder.elements()[0];
        assert_eq!((element.kind, element.page), (ElementKind::Image, Some(7)));
        let report = &builder.report;
        let warning = &report.warnings[0];
        assert_eq!(
            (warning.code, warning.page, warning.reason.as_str()),
            (
                WarningCode::Converted,
                Some(7),
                "text in the picture `300.png` was recognised: 2 words, 91 % sure"
            )
        );
        assert!(!report.has_loss());
        assert_eq!(report.ocr.unwrap().pages, 2);
        assert_eq!((report.chars_seen, report.chars_kept), (20, 20));
    }

    #[test]
    fn what_is_not_believed_is_counted_and_left_out() {
        let builder = read(&ReadsWidth::default(), 9, &[555]);
        assert!(builder.is_empty());
        let report = &builder.report;
        assert_eq!((report.chars_seen, report.chars_kept), (10, 0));
        assert!((report.coverage() - 1.0).abs() < 1e-9);
        assert_eq!(report.warnings, []);
    }

    #[test]
    fn there_is_an_end_to_pictures() {
        let tools = ReadsWidth::default();
        let builder = read(&tools, 1, &[300, 400, 500]);
        assert_eq!(texts(&builder), ["Picture 300"]);
        let last = builder.report.warnings.last().unwrap();
        assert!(last.reason.contains("on 2 more pictures"), "{last:?}");
        assert!(!builder.report.has_loss());
        assert!(texts(&read(&tools, 0, &[300])).is_empty());
        let nothing = read(&NoTools, 9, &[300]);
        assert!(nothing.is_empty() && nothing.report.warnings.is_empty());
    }

    #[test]
    fn after_some_failures_nothing_more_is_sent() {
        struct Fails(RefCell<u32>);
        impl Tools for Fails {
            fn call(&self, _: &ToolRequest, _: &[u8]) -> Result<Vec<u8>, ToolError> {
                *self.0.borrow_mut() += 1;
                Err(ToolError::Failed {
                    what: "Tesseract".into(),
                    reason: "no".into(),
                })
            }
        }
        let tools = Fails(RefCell::new(0));
        let builder = read(&tools, 99, &[300, 400, 500, 600, 700]);
        assert_eq!(*tools.0.borrow(), MAX_FAILURES);
        assert!(!builder.report.has_loss());
        // Each failure is told, then how many more there are.
        let warnings = &builder.report.warnings;
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        let last = warnings[3].reason.as_str();
        let expect =
            "text recognition was not used on 2 more pictures, since it failed on 3 in a row";
        assert_eq!((warnings[3].code, last), (WarningCode::Converted, expect));
    }

    #[test]
    fn pictures_that_there_is_no_room_for_are_told() {
        let encoded = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            png_of(300, 200, 0),
        );
        let html = format!(
            "<!DOCTYPE html><p>Words <img src='data:image/png;base64,{encoded}'></p><img src='https://h/x.png'>"
        );
        let document = "<w:document><w:body><w:p><w:r><w:t>Words</w:t></w:r></w:p><w:p><w:r><w:drawing><a:blip r:embed='p'/></w:drawing></w:r></w:p></w:body></w:document>";
        let rels = "<Relationships><Relationship Id='p' Type='x/image' Target='media/i.png'/></Relationships>";
        let docx = package(
            &[
                ("word/document.xml", document),
                ("word/_rels/document.xml.rels", rels),
            ],
            &[("word/media/i.png", 300)],
        );
        for (kind, bytes) in [
            (MediaType::Html, html.into_bytes()),
            (MediaType::Docx, docx),
        ] {
            for (room, n_asked) in [(MIN_ROOM - 1, 0), (2 * MIN_ROOM, 1)] {
                let options = ExtractOptions {
                    max_expanded_bytes: room,
                    ..ExtractOptions::default()
                };
                let run = |tools: &dyn Tools| {
                    let cx = Context::new(&options, Origin::File, tools);
                    read_as(kind, "a", &bytes, &cx).unwrap().report.warnings
                };
                let tools = ReadsWidth::default();
                let warnings = run(&tools);
                assert_eq!(tools.asked.borrow().len(), n_asked, "{kind:?}");
                assert_eq!(warnings.len(), 1, "{kind:?}: {warnings:?}");
                assert_eq!(warnings[0].code, WarningCode::Converted);
                let is_told = warnings[0]
                    .reason
                    .contains("at 1 places were not looked at");
                assert_eq!(is_told, n_asked == 0, "{kind:?}: {warnings:?}");
                assert!(run(&NoTools).is_empty(), "{kind:?}");
            }
        }
    }

    /// Members of a package: names, and their bytes as text or as the picture of this width.
    fn package(texts: &[(&str, &str)], pictures: &[(&str, u32)]) -> Vec<u8> {
        let pictures: Vec<(&str, Vec<u8>)> = pictures
            .iter()
            .map(|(name, width)| (*name, png_of(*width, 200, 0)))
            .collect();
        let texts = texts.iter().map(|(name, text)| (*name, text.as_bytes()));
        let all = texts.chain(pictures.iter().map(|(name, png)| (*name, png.as_slice())));
        zip_of(&all.collect::<Vec<_>>())
    }

    #[test]
    fn pictures_are_read_where_they_stand() {
        let rels = "<Relationships><Relationship Id='p' Type='x/image' Target='media/i.png'/><Relationship Id='q' Type='x/image' Target='media/j.png'/></Relationships>";
        let docx = package(
            &[
                (
                    "word/document.xml",
                    "<w:document><w:body><w:p><w:r><w:t>Before</w:t></w:r></w:p><w:p><w:r><w:drawing><wp:docPr descr='A plan'/><a:blip r:embed='p'/></w:drawing></w:r></w:p>\
                     <w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t><w:pict><v:imagedata r:id='q'/></w:pict></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr></w:tbl><w:p><w:r><w:t>After</w:t></w:r></w:p></w:body></w:document>",
                ),
                ("word/_rels/document.xml.rels", rels),
            ],
            &[("word/media/i.png", 300), ("word/media/j.png", 400)],
        );
        let slide = "<p:sld><p:cSld><p:spTree><p:sp><p:nvSpPr><p:cNvPr id='1' name='n'/><p:nvPr/></p:nvSpPr><p:txBody><a:p><a:r><a:t>Words</a:t></a:r></a:p></p:txBody></p:sp>\
            <p:pic><p:nvPicPr><p:cNvPr id='2' name='m'/></p:nvPicPr><p:blipFill><a:blip r:embed='p'/></p:blipFill></p:pic></p:spTree></p:cSld></p:sld>";
        let pptx = package(
            &[
                ("ppt/presentation.xml", "<p:presentation/>"),
                ("ppt/slides/slide1.xml", slide),
                ("ppt/slides/_rels/slide1.xml.rels", rels),
            ],
            &[("ppt/slides/media/i.png", 300)],
        );
        let odt = package(
            &[
                ("mimetype", "application/vnd.oasis.opendocument.text"),
                (
                    "content.xml",
                    "<office:document-content><office:body><office:text><text:p>Before</text:p><text:p><draw:frame><draw:image xlink:href='Pictures/i.png'/></draw:frame></text:p><text:p>After</text:p></office:text></office:body></office:document-content>",
                ),
            ],
            &[("Pictures/i.png", 300)],
        );
        let epub = package(
            &[
                ("mimetype", "application/epub+zip"),
                (
                    "META-INF/container.xml",
                    "<container><rootfile full-path='a/b.opf'/></container>",
                ),
                (
                    "a/b.opf",
                    "<package><manifest><item id='c' href='t/c.xhtml' media-type='application/xhtml+xml'/></manifest><spine><itemref idref='c'/></spine></package>",
                ),
                (
                    "a/t/c.xhtml",
                    "<html><body><p>Before <img alt='x' src='../i%20i.png'/> more</p><p>After</p></body></html>",
                ),
            ],
            &[("a/i i.png", 300)],
        );
        let encoded = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            png_of(300, 200, 0),
        );
        let html = format!(
            "<!DOCTYPE html><p>Before <img src='data:image/png;base64,{encoded}'> more</p><img src='https://h/x.png'><p>After</p>"
        );
        let sheet = "<worksheet><sheetData><row r='1'><c r='A1' t='inlineStr'><is><t>Cell</t></is></c></row></sheetData><drawing r:id='d'/></worksheet>";
        let xlsx = package(
            &[
                (
                    "xl/workbook.xml",
                    "<workbook><sheets><sheet name='S' r:id='s'/></sheets></workbook>",
                ),
                (
                    "xl/_rels/workbook.xml.rels",
                    "<Relationships><Relationship Id='s' Type='x/worksheet' Target='worksheets/s.xml'/></Relationships>",
                ),
                ("xl/worksheets/s.xml", sheet),
                (
                    "xl/worksheets/_rels/s.xml.rels",
                    "<Relationships><Relationship Id='d' Type='x/drawing' Target='../drawings/d.xml'/></Relationships>",
                ),
                (
                    "xl/drawings/d.xml",
                    "<xdr:wsDr><xdr:pic><a:blip r:embed='p'/></xdr:pic></xdr:wsDr>",
                ),
                ("xl/drawings/_rels/d.xml.rels", rels),
            ],
            &[("xl/drawings/media/i.png", 300)],
        );
        let read = "Picture 300";
        for (kind, bytes, expect) in [
            (
                MediaType::Docx,
                docx,
                &["Before", "A plan", read, "a | b", "Picture 400", "After"][..],
            ),
            (MediaType::Pptx, pptx, &["Words", read]),
            (MediaType::Odt, odt, &["Before", read, "After"]),
            (MediaType::Epub, epub, &["Before x more", read, "After"]),
            (
                MediaType::Html,
                html.into_bytes(),
                &["Before more", read, "After"],
            ),
            (MediaType::Xlsx, xlsx, &["S", "Cell", read]),
        ] {
            let tools = ReadsWidth::default();
            let options = ExtractOptions::default();
            let run = |tools: &dyn Tools| {
                let cx = Context::new(&options, Origin::File, tools);
                read_as(kind, "a", &bytes, &cx).unwrap()
            };
            let found = run(&tools);
            let elements = found.elements.iter();
            let texts: Vec<&str> = elements.map(|e| e.text.as_str()).collect();
            assert_eq!(texts, expect, "{kind:?}");
            let report = &found.report;
            assert_eq!(report.chars_seen, report.chars_kept, "{kind:?}: {report:?}");
            assert!(!report.has_loss(), "{kind:?}: {report:?}");
            let warning = &report.warnings[0];
            let page = (kind == MediaType::Pptx).then_some(1);
            assert_eq!((warning.code, warning.page), (WarningCode::Converted, page));
            // Without text recognition they count, and nothing else is said.
            let plain = run(&NoTools);
            assert_eq!(plain.report.images, report.images, "{kind:?}");
            assert!(plain.report.warnings.is_empty(), "{kind:?}");
        }
    }
}
