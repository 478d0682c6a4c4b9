//! What the elements of document vocabularies are: JATS/NISO articles, `DocBook`, TEI, patents, DITA, SVG.
//!
//! One table for all: where vocabularies share a name they mean the same, or the place decides (see `role`).

use super::tree::Tree;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Holds blocks.
    Container,
    /// A container that makes headings in it one level deeper.
    Section,
    Heading,
    /// The document's own title.
    Title,
    Paragraph,
    Item,
    Code,
    Note,
    Table,
    /// A picture, with its alternative text in an attribute.
    Image,
    /// No text: scripts, styles, other ways to say the same.
    LeftOut,
    /// Not in the table: the content decides.
    Unknown,
}

/// What the element `node` is.
pub(super) fn role(tree: &Tree, node: usize) -> Role {
    let parent = tree.name(tree.nodes[node].parent);
    match tree.name(node) {
        "sec" | "section" | "sect1" | "sect2" | "sect3" | "sect4" | "sect5" | "chapter" | "part"
        | "appendix" | "app" | "preface" | "glossary" | "bibliography" | "div" | "div1" | "div2"
        | "div3" | "div4" | "div5" | "ack" | "abstract" | "ref-list" | "refsect1" | "refsect2" | "refsection"
        | "sidebar" | "boxed-text" | "topic" | "app-group" | "fn-group" | "notes" | "sub-article"
        | "response" | "simplesect" | "us-claim-statement" | "article" | "book" | "body" | "concept" | "task" | "reference"
            // Patents have a `section` that is one letter.
            if tree.has_elements(node) =>
        {
            match tree.name(node) {
                // The root, and what only groups: the level stays.
                "article" | "book" | "body" | "fn-group" | "app-group" => Role::Container,
                _ => Role::Section,
            }
        }
        // Numbers of references, items and notes stand on their lines.
        "label" if matches!(parent, "ref" | "list-item" | "fn" | "def-item") => Role::Unknown,
        "article-title" if parent == "title-group" => Role::Title,
        "invention-title" | "book-title" if !tree.has_text(tree.nodes[node].parent) => Role::Title,
        "title" | "subtitle" | "head" | "bridgehead" if is_titled(parent) => {
            let is_root = matches!(parent, "article" | "book" | "info" | "articleinfo" | "bookinfo" | "titleStmt" | "svg");
            if is_root && tree.name(node) == "title" {
                Role::Title
            } else {
                Role::Heading
            }
        }
        "heading" => Role::Heading,
        "p" | "para" | "simpara" | "formalpara" | "claim-text" | "caption" | "term" | "def" | "subject"
        | "attrib" | "verse-line" | "l" | "ab" | "desc" | "text" | "shortdesc" | "title" | "label" | "head"
        | "disp-formula" | "informalequation" | "equation" | "maths" | "quote" | "disp-quote" | "aff" | "kwd" => Role::Paragraph,
        "list-item" | "listitem" | "item" | "li" | "varlistentry" | "ref" | "biblioentry" | "bibl" | "biblStruct" | "bibliomixed" | "step"
            if !tree.has_text(tree.nodes[node].parent) =>
        {
            Role::Item
        }
        "programlisting" | "screen" | "literallayout" | "synopsis" | "eg" | "codeblock" | "preformat" | "code"
            if !tree.has_text(tree.nodes[node].parent) =>
        {
            Role::Code
        }
        "fn" | "footnote" | "endnote" => Role::Note,
        "note" if tree.attribute(node, "place").is_some() => Role::Note,
        "table" | "informaltable" | "simpletable" => Role::Table,
        // CALS tables of some vocabularies come without a frame.
        "tgroup" => Role::Table,
        "graphic" | "inline-graphic" | "imagedata" | "figure-ref" | "img" | "image" => Role::Image,
        "script" | "style" | "metadata" | "defs" | "tex-math" | "annotation" | "annotation-xml" | "journal-meta"
        | "article-categories" | "colspec" | "encodingDesc" | "revisionDesc" => Role::LeftOut,
        _ => Role::Unknown,
    }
}

/// Whether a title in it is a heading of the text.
fn is_titled(parent: &str) -> bool {
    !matches!(
        parent,
        "fig"
            | "figure"
            | "table"
            | "table-wrap"
            | "caption"
            | "example"
            | "ref"
            | "bibl"
            | "biblioentry"
            | "citation"
            | "element-citation"
            | "mixed-citation"
            | "list"
            | "itemizedlist"
            | "orderedlist"
            | "monogr"
            | "analytic"
            | "series"
            | "note"
            | "tip"
            | "warning"
            | "item"
            | "g"
            | "text"
            | "formalpara"
            | "step"
            | "bibliomixed"
    )
}
