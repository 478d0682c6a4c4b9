//! HTML to elements: the tree of `html5ever` (as browsers build it), walked in document order.
//!
//! Page furniture is left out (navigation, footers, asides, scripts, hidden parts); where `<main>` or one
//! `<article>` holds most of the text, only that is read. What is left out counts as seen, not as kept. Read too: labels
//! of drawings (SVG), what stands in fields, pages within frames (`srcdoc`); what fields only suggest is left out.
//! All walks are loops, not recursion: nesting depth costs no stack.

mod depth;
mod furniture;
mod page_meta;
mod pictures;
mod shown;
mod table;
mod walk;
mod xhtml;

pub use page_meta::PageMeta;
pub(crate) use page_meta::page_meta;
pub(crate) use pictures::Pictures;

use scraper::{ElementRef, Html, node::Element as Tag};
use shown::{is_drawing, shown_chars, visible_chars};

use crate::builder::Builder;
use crate::context::{Context, Origin};
use crate::text::decode;

/// Share of the page's text that `<main>` or `<article>` must hold to stand for the page. A guess.
const MAIN_SHARE_PERCENT: u64 = 50;
/// Share of a web page's text that its content must hold; below it all of the page is read. A guess.
const MIN_KEPT_PERCENT: u64 = 15;

/// Which parts of a page are its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Without what stands around an article: navigation, footers, asides.
    Article,
    /// All but navigation.
    All,
}

/// Reads a whole page. Of a page of the web only the content is read; a file's text all counts, but for what the page
/// itself marks as navigation, footer or aside.
pub(crate) fn read(bytes: &[u8], cx: &Context<'_>, builder: &mut Builder) {
    let mut document = parse(bytes, builder);
    builder.title = title(&document);
    let Some(body) = find(&document, |tag| tag.name() == "body") else {
        return;
    };
    let n_shown = shown_chars(body);
    let n_body = visible_chars(body);
    let n_before = builder.report.chars_seen;
    let pictures = &mut Pictures::of_page(cx);
    match cx.origin {
        Origin::File => walk::walk(
            named_content(&document, n_body).unwrap_or(body),
            Content::Article,
            pictures,
            builder,
        ),
        Origin::WebPage => {
            furniture::remove(&mut document, n_body);
            let body = find(&document, |tag| tag.name() == "body");
            let root = body.map(|body| furniture::content(&document, body));
            // Where hardly anything is left, the page was taken for its own frame.
            match root.filter(|root| visible_chars(*root) * 100 >= n_body * MIN_KEPT_PERCENT) {
                Some(root) => walk::walk(root, Content::Article, pictures, builder),
                None => {
                    let document = parse(bytes, &mut Builder::new(0));
                    if let Some(body) = find(&document, |tag| tag.name() == "body") {
                        walk::walk(body, Content::All, pictures, builder);
                    }
                }
            }
        }
    }
    let n_read = builder.report.chars_seen - n_before - pictures.n_seen();
    builder.left_out(n_shown.saturating_sub(n_read));
}

/// `<main>` or the one `<article>`, where it holds most of the `n_body` characters of the page.
fn named_content(document: &Html, n_body: u64) -> Option<ElementRef<'_>> {
    let main = find(document, |tag| {
        tag.name() == "main" || tag.attr("role") == Some("main")
    });
    [main, only(document, "article")]
        .into_iter()
        .flatten()
        .find(|root| visible_chars(*root) * 100 >= n_body * MAIN_SHARE_PERCENT)
}

/// Reads a chapter of a book: all of its body is content, notes at the side too.
pub(crate) fn read_chapter(bytes: &[u8], pictures: &mut Pictures<'_>, builder: &mut Builder) {
    let document = parse(bytes, builder);
    let Some(body) = find(&document, |tag| tag.name() == "body") else {
        return;
    };
    let n_shown = shown_chars(body);
    let n_before = builder.report.chars_seen;
    walk::walk(body, Content::All, pictures, builder);
    let n_read = builder.report.chars_seen - n_before - pictures.n_seen();
    builder.left_out(n_shown.saturating_sub(n_read));
}

/// Characters that a reader of the page sees.
pub(crate) fn count_page(bytes: &[u8]) -> u64 {
    let document = parse(bytes, &mut Builder::new(0));
    find(&document, |tag| tag.name() == "body").map_or(0, shown_chars)
}

fn parse(bytes: &[u8], builder: &mut Builder) -> Html {
    let decoded = match declared_encoding(bytes) {
        Some(encoding) => {
            let text = encoding.decode(bytes).0;
            let (text, n_control) = crate::text::clean(&text);
            crate::text::Decoded {
                text,
                n_control,
                n_replaced: 0,
                encoding: encoding.name(),
            }
        }
        None => decode(bytes),
    };
    decoded.note(builder);
    let text = decoded.text.as_str();
    let text = if text.trim_start().starts_with("<?xml") {
        xhtml::close_tags(text)
    } else {
        text.into()
    };
    Html::parse_document(&depth::limit(&text))
}

/// Reads a piece of HTML inside another format.
pub(crate) fn read_fragment(text: &str, builder: &mut Builder) {
    let document = Html::parse_fragment(&depth::limit(text));
    let root = document.root_element();
    walk::walk(root, Content::All, &mut Pictures::none(), builder);
}

/// `charset=` or an XML declaration's `encoding=` in the first kibibyte, where the bytes are not UTF-8 anyway.
fn declared_encoding(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    if encoding_rs::Encoding::for_bom(bytes).is_some() || std::str::from_utf8(bytes).is_ok() {
        return None;
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    ["charset=", "encoding="].into_iter().find_map(|key| {
        let rest = head.split(key).nth(1)?;
        let label = rest
            .trim_start_matches(['"', '\'', ' '])
            .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'))
            .next()?;
        encoding_rs::Encoding::for_label(label.as_bytes())
    })
}

fn title(document: &Html) -> Option<String> {
    let title = find(document, |tag| tag.name() == "title")?;
    let text = crate::text::collapse(&title.text().collect::<String>());
    (!text.is_empty()).then_some(text)
}

fn find(document: &Html, is_it: impl Fn(&Tag) -> bool) -> Option<ElementRef<'_>> {
    document
        .tree
        .root()
        .descendants()
        .filter_map(ElementRef::wrap)
        .find(|element| is_it(element.value()))
}

/// The element with this name, if there is exactly one.
fn only<'a>(document: &'a Html, name: &str) -> Option<ElementRef<'a>> {
    let mut found = document
        .tree
        .root()
        .descendants()
        .filter_map(ElementRef::wrap)
        .filter(|element| element.value().name() == name);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

impl Content {
    /// Whether a reader of the page would not see this as its content.
    fn skips(self, tag: &Tag) -> bool {
        is_never_text(tag)
            || tag.name() == "nav"
            || self == Self::Article && matches!(tag.name(), "footer" | "aside")
    }
}

/// Whether no reader of the page sees the content of the element.
fn is_never_text(tag: &Tag) -> bool {
    is_code_of_page(tag)
        || matches!(tag.name(), "iframe" | "object" | "canvas" | "annotation")
        || is_drawing(tag)
        || is_hidden(tag)
}

/// Whether the content of the element is no text of the page at all.
fn is_code_of_page(tag: &Tag) -> bool {
    matches!(
        tag.name(),
        "script" | "style" | "noscript" | "template" | "head"
    )
}

fn is_hidden(tag: &Tag) -> bool {
    // On a large part `aria-hidden` often means that a dialog was open when the page was saved.
    let is_sign = matches!(tag.name(), "span" | "a" | "i" | "b" | "sup" | "button");
    tag.attr("hidden")
        .is_some_and(|value| value != "until-found")
        || is_sign && tag.attr("aria-hidden") == Some("true")
        || tag.attr("style").is_some_and(|style| {
            let style: String = style.chars().filter(|c| !c.is_whitespace()).collect();
            let style = style.to_ascii_lowercase();
            style.contains("display:none") || style.contains("visibility:hidden")
        })
}

#[cfg(test)]
mod tests {
    use cairn_types::ElementKind;
    use proptest::prelude::*;

    use super::*;

    type Shape<'t> = (ElementKind, u8, &'t str);

    fn shape(input: &str) -> Vec<(ElementKind, u8, String)> {
        let mut builder = Builder::new(100_000);
        read(input.as_bytes(), &Context::for_test(), &mut builder);
        builder
            .body()
            .map(|e| (e.kind, e.level, e.text.clone()))
            .collect()
    }

    #[test]
    fn pages_become_elements() {
        use ElementKind::{Code, Heading, Image, ListItem, Paragraph, Table};
        let cases: [(&str, &[Shape<'_>]); 9] = [
            (
                "<h2>A <i>b</i></h2><p>x\n y<br>z</p>t",
                &[
                    (Heading, 2, "A b"),
                    (Paragraph, 0, "x y\nz"),
                    (Paragraph, 0, "t"),
                ],
            ),
            (
                "<ul><li>a<ul><li>b</ul><li><p>c</p></ul>",
                &[
                    (ListItem, 1, "- a"),
                    (ListItem, 2, "- b"),
                    (ListItem, 1, "- c"),
                ],
            ),
            (
                "<ol start=3><li>a<li>b</ol>",
                &[(ListItem, 1, "3. a"), (ListItem, 1, "4. b")],
            ),
            (
                "<nav>menu</nav><p>x<script>1</script></p><footer>f</footer><div hidden>h</div>",
                &[(Paragraph, 0, "x")],
            ),
            (
                "<pre><code class='language-rust'>fn a() {\n  b\n}</code></pre>",
                &[(Code, 0, "fn a() {\n  b\n}")],
            ),
            (
                "<table><tr><th>A<th>B<tr><td rowspan=2>1<td>2<tr><td>3</table>",
                &[(Table, 0, "A | B\n1 | 2\n1 | 3")],
            ),
            (
                "<table><tr><td><h1>Layout</h1><p>x</p></td></tr></table>",
                &[(Heading, 1, "Layout"), (Paragraph, 0, "x")],
            ),
            (
                "<figure><img alt='A cat'><figcaption>Cap</figcaption></figure>",
                &[(Image, 0, "A cat"), (Paragraph, 0, "Cap")],
            ),
            (
                "<div>menu</div><main><p>long main text of the page</p></main>",
                &[(Paragraph, 0, "long main text of the page")],
            ),
        ];
        for (input, expect) in cases {
            let expect: Vec<_> = expect
                .iter()
                .map(|&(k, l, t)| (k, l, t.to_owned()))
                .collect();
            assert_eq!(shape(input), expect, "{input}");
        }
    }

    #[test]
    fn what_is_shown_by_attributes_and_drawings_is_read_or_counted() {
        use ElementKind::{Heading, Image, Paragraph, Table};
        let cases: [(&str, &[Shape<'_>], u64); 9] = [
            (
                "<p>Plan <svg><title>t</title><defs><text>d</text></defs><g><text>North <tspan>gate</tspan></text><text>Pier</text></g></svg></p>",
                &[
                    (Paragraph, 0, "Plan"),
                    (Paragraph, 0, "North gate"),
                    (Paragraph, 0, "Pier"),
                ],
                2,
            ),
            (
                "<p>a <svg><foreignObject><p>inside</p></foreignObject></svg></p>",
                &[(Paragraph, 0, "a"), (Paragraph, 0, "inside")],
                0,
            ),
            (
                "<form>Name: <input value='Anna B'> <input placeholder=town> <input type=hidden value=token><input type=submit value=Go></form>",
                &[(Paragraph, 0, "Name: Anna B")],
                6,
            ),
            (
                "<p>Pin <input type=password value=1234></p>",
                &[(Paragraph, 0, "Pin")],
                0,
            ),
            (
                "<p>Note</p><textarea placeholder=why>Because</textarea>",
                &[(Paragraph, 0, "Note"), (Paragraph, 0, "Because")],
                3,
            ),
            (
                "<p>x</p><iframe srcdoc='<h1>Inner</h1><p>page<script>no</script></p><nav>menu</nav>'>old browser</iframe><p>y</p>",
                &[
                    (Paragraph, 0, "x"),
                    (Heading, 1, "Inner"),
                    (Paragraph, 0, "page"),
                    (Paragraph, 0, "y"),
                ],
                4 + 10,
            ),
            (
                "<p hidden><img alt='A cat'></p><img alt='A dog'>",
                &[(Image, 0, "A dog")],
                4,
            ),
            (
                "<table><tr><th>A<th>B<tr><td><input value=1><td><iframe srcdoc=deep></iframe><img alt=2></table>",
                &[(Table, 0, "A | B\n1 | 2")],
                4,
            ),
            (
                "<nav><img alt=logo></nav><p>x</p>",
                &[(Paragraph, 0, "x")],
                4,
            ),
        ];
        for (input, expect, n_left_out) in cases {
            let mut builder = Builder::new(100);
            read(input.as_bytes(), &Context::for_test(), &mut builder);
            let elements = builder.body();
            let found: Vec<_> = elements
                .map(|e| (e.kind, e.level, e.text.as_str()))
                .collect();
            assert_eq!(found, expect, "{input}");
            let report = &builder.report;
            assert_eq!(report.chars_seen - report.chars_kept, n_left_out, "{input}");
        }
    }

    #[test]
    fn frames_within_frames_end() {
        let mut page = "<p>core</p>".to_owned();
        for _ in 0..8 {
            let inner = page.replace('&', "&amp;").replace('"', "&quot;");
            page = format!("<p>around</p><iframe srcdoc=\"{inner}\"></iframe>");
        }
        let mut builder = Builder::new(100);
        read(page.as_bytes(), &Context::for_test(), &mut builder);
        assert_eq!(builder.elements().len(), 1 + shown::MAX_FRAMES);
        assert!(builder.report.chars_seen > builder.report.chars_kept);
    }

    #[test]
    fn left_out_text_counts_as_seen() {
        let mut builder = Builder::new(10);
        read(
            b"<title>T</title><nav>menu</nav><p>text</p>",
            &Context::for_test(),
            &mut builder,
        );
        assert_eq!(
            (builder.report.chars_seen, builder.report.chars_kept),
            (8, 4)
        );
        assert_eq!(builder.finish("text/html").title.as_deref(), Some("T"));
    }

    #[test]
    fn of_a_web_page_the_content_is_read() {
        let prose =
            "A sentence that is long enough, with a comma, to be taken for prose. ".repeat(4);
        let page = format!(
            "<div class='site-header'><ul class='main-menu'><li>Home</ul></div><div id='cookie-banner'>We use cookies</div>
            <div class='has-sidebar'><div class=text><h1>Title</h1><p>{prose}</p><p>{prose}</p><p hidden>secret</p></div></div>
            <ul><li><a href=x>One</a><li><a href=x>Two</a><li><a href=x>Three</a><li><a href=x>Four</a><li><a href=x>Five</a></ul><footer>foot</footer>"
        );
        let options = crate::options::ExtractOptions::default();
        let run = |page: &str, origin| {
            let cx = Context::new(&options, origin, &crate::tools::NoTools);
            let mut builder = Builder::new(100);
            read(page.as_bytes(), &cx, &mut builder);
            builder
        };
        let builder = run(&page, Origin::WebPage);
        let kept: Vec<&str> = builder.body().map(|e| e.text.trim()).collect();
        assert_eq!(kept, ["Title", prose.trim(), prose.trim()]);
        let report = &builder.report;
        // Home, cookies, the hidden one, the list of links, the footer.
        assert_eq!(report.chars_seen - report.chars_kept, 4 + 12 + 6 + 19 + 4);
        let all = run(&page, Origin::File);
        assert_eq!(all.report.chars_seen, report.chars_seen);
        assert!(all.body().any(|e| e.text == "We use cookies"));
        // A page that is all frame is read as a whole.
        let frame = run(
            &"<div class=menu>Opening hours: nine to five</div>".repeat(5),
            Origin::WebPage,
        );
        assert_eq!(frame.elements().len(), 5);
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!(
            "{}x{}",
            "<div><span>".repeat(50_000),
            "<table><tr><td>".repeat(60)
        );
        assert_eq!(shape(&deep), [(ElementKind::Paragraph, 0, "x".to_owned())]);
    }

    #[test]
    fn declared_encodings_are_used() {
        let mut builder = Builder::new(10);
        read(
            b"<meta charset=windows-1251><p>\xcf\xf0\xe8\xe2\xe5\xf2</p>",
            &Context::for_test(),
            &mut builder,
        );
        assert_eq!(builder.elements()[0].text, "Привет");
    }

    proptest! {
        #[test]
        fn never_panics(parts in proptest::collection::vec(0usize..16, 0..40)) {
            const PARTS: [&str; 16] = ["<table>", "<tr>", "<td rowspan=0>", "<th colspan=9>", "</table>", "<ul>", "<li>", "</ul>",
                "<pre>", "</pre>", "text ", "<h1>", "</h1>", "<p>", "<img alt=x>", "</div>"];
            shape(&parts.into_iter().map(|idx| PARTS[idx]).collect::<String>());
        }
    }
}
