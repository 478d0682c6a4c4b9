//! What the control words do.

use super::{CellShape, Charset, Destination, FlowKind, MAX_CELLS, Reader, Role};

/// Destinations without text of the document; those with a leading `\*` are known here too, so that their content
/// is not mistaken for text that was left out.
const NO_TEXT: [&str; 58] = [
    "colortbl",
    "listtable",
    "listoverridetable",
    "rsidtbl",
    "generator",
    "fldinst",
    "objdata",
    "objclass",
    "objname",
    "themedata",
    "colorschememapping",
    "datastore",
    "latentstyles",
    "datafield",
    "formfield",
    "ffname",
    "bkmkstart",
    "bkmkend",
    "atnid",
    "atnauthor",
    "atntime",
    "atnicn",
    "atnref",
    "atnparent",
    "atrfstart",
    "atrfend",
    "atndate",
    "author",
    "operator",
    "creatim",
    "revtim",
    "printim",
    "buptim",
    "doccomm",
    "subject",
    "keywords",
    "company",
    "category",
    "manager",
    "hlinkbase",
    "comment",
    "userprops",
    "xmlnstbl",
    "filetbl",
    "revtbl",
    "pgdsctbl",
    "listpicture",
    "blipuid",
    "picprop",
    "sp",
    "wgrffmtfilter",
    "panose",
    "falt",
    "fontemb",
    "mmathPr",
    "pnseclvl",
    "pn",
    "nonesttables",
];
/// Furniture of pages: left out and counted. Of objects and shapes there are two versions; the second one too.
const LEFT_OUT: [&str; 23] = [
    "header",
    "headerl",
    "headerr",
    "headerf",
    "footer",
    "footerl",
    "footerr",
    "footerf",
    "ftnsep",
    "ftnsepc",
    "ftncn",
    "aftnsep",
    "aftnsepc",
    "aftncn",
    "xe",
    "tc",
    "rxe",
    "txe",
    "tcn",
    "nonshppict",
    "shprslt",
    "pntxta",
    "pntxtb",
];
/// Destinations whose content is the document's, `\*` or not.
const TRANSPARENT: [&str; 14] = [
    "shppict",
    "shpinst",
    "shp",
    "shpgrp",
    "fldrslt",
    "field",
    "object",
    "result",
    "moMath",
    "moMathPara",
    "mmath",
    "do",
    "nesttableprops",
    "background",
];

/// What a style's name and outline level make of its paragraphs.
pub(super) fn role_of(name: &str, outline: Option<u8>) -> Role {
    // Names end with a semicolon, and may have alternatives after a comma.
    let name = name.split([';', ',']).next().unwrap_or_default();
    let name = name.trim().to_ascii_lowercase();
    if let Some(level) = name.strip_prefix("heading")
        && let Ok(level @ 1..=9) = level.trim().parse()
    {
        return Role::Heading(level);
    }
    match (name.as_str(), outline) {
        ("title", _) => Role::Title,
        ("subtitle", _) => Role::Heading(2),
        (_, Some(level @ 0..=8)) => Role::Heading(level + 1),
        _ => Role::Text,
    }
}

/// Characters that have a word.
const fn character(name: &str) -> Option<&'static str> {
    Some(match name.as_bytes() {
        b"tab" => "\t",
        b"line" | b"lbr" | b"softline" => "\n",
        b"emdash" => "—",
        b"endash" => "–",
        b"bullet" => "•",
        b"lquote" => "‘",
        b"rquote" => "’",
        b"ldblquote" => "“",
        b"rdblquote" => "”",
        b"emspace" | b"enspace" | b"qmspace" => " ",
        _ => return None,
    })
}

impl Reader<'_> {
    pub(super) fn word(&mut self, name: &str, number: Option<i32>, ignorable: bool) {
        if let Some(text) = character(name) {
            self.emit(text);
            return;
        }
        if self.destination(name, ignorable) {
            return;
        }
        let n = number.unwrap_or(0);
        // Properties that are on without a number.
        let is_on = number != Some(0);
        let level = || u8::try_from(n).ok();
        match name {
            "par" | "sect" | "page" | "column" => self.end_paragraph(),
            "cell" | "nestcell" if self.in_body() => {
                let depth = if name == "cell" {
                    1
                } else {
                    self.state.table_depth
                };
                if let Some(flow) = self.flows.last_mut() {
                    flow.end_cell(depth);
                }
            }
            "row" | "nestrow" if self.in_body() => {
                let depth = if name == "row" {
                    1
                } else {
                    self.state.table_depth
                };
                let is_header = self.is_header_row;
                if let Some(flow) = self.flows.last_mut() {
                    flow.end_row(depth, &self.cells, is_header);
                }
            }
            "trowd" => {
                self.cells.clear();
                self.cell = CellShape::default();
                self.is_header_row = false;
            }
            "trhdr" => self.is_header_row = true,
            "clmrg" => self.cell.joins_left = true,
            "clvmrg" => self.cell.joins_above = true,
            "cellx" => {
                // Twips; no page is a kilometre wide.
                self.cell.right = n.clamp(-1_000_000, 1_000_000);
                if self.cells.len() < MAX_CELLS {
                    self.cells.push(self.cell);
                }
                self.cell = CellShape::default();
            }
            "pard" => self.state.reset_paragraph(),
            "plain" => {
                self.state.is_hidden = false;
                self.state.font = None;
            }
            "intbl" => self.state.in_table = is_on,
            "itap" => {
                self.state.table_depth = usize::try_from(n).unwrap_or(0).max(1);
                self.state.in_table = n > 0;
            }
            "v" => self.state.is_hidden = is_on,
            "deleted" => self.state.is_deleted = is_on,
            "outlinelevel" => self.state.outline = level().filter(|level| *level < 9),
            "ls" => self.state.list = n,
            "ilvl" => self.state.list_level = level().unwrap_or(0),
            "uc" => self.state.n_skip_after_unicode = u32::try_from(n.clamp(0, 16)).unwrap_or(1),
            "s" | "cs" | "ds" | "ts" if self.state.destination == Destination::Stylesheet => {
                // Only paragraph styles make headings; the others' numbers are their own.
                self.entry.0 = if name == "s" { n } else { -1 };
            }
            "s" => self.state.style = n,
            "f" => {
                self.state.font = Some(n);
                if self.state.destination == Destination::FontTable {
                    self.entry = (n, String::new());
                }
            }
            "fcharset" => self.font_charset(Charset::of_font(n)),
            "cpg" => self.font_charset(Charset::of_code_page(n)),
            "deff" => self.default_font = Some(n),
            "mac" => self.code_page(10_000),
            "pc" => self.code_page(437),
            "pca" => self.code_page(850),
            "ansicpg" => self.code_page(n),
            _ => {}
        }
    }

    fn font_charset(&mut self, charset: Option<Charset>) {
        if self.state.destination == Destination::FontTable
            && let Some(charset) = charset
        {
            self.fonts.insert(self.entry.0, charset);
        }
    }

    fn code_page(&mut self, page: i32) {
        match Charset::of_code_page(page) {
            Some(charset) => self.default_charset = charset,
            // 0 and 1 mean the machine's own.
            None if page > 1 => self.unknown_code_page = Some(page),
            None => {}
        }
    }

    /// Whether the word opened a destination.
    fn destination(&mut self, name: &str, ignorable: bool) -> bool {
        let now = self.state.destination;
        let found = match name {
            "upr" => {
                self.state.unicode_destination = Some(now);
                Destination::Nothing
            }
            "ud" => self.state.unicode_destination.take().unwrap_or(now),
            // Within what is left out nothing comes back.
            _ if now == Destination::Nothing => return ignorable,
            name if now == Destination::LeftOut => {
                if name != "pict" && !NO_TEXT.contains(&name) {
                    return ignorable;
                }
                Destination::Nothing
            }
            "fonttbl" => Destination::FontTable,
            "stylesheet" => Destination::Stylesheet,
            "title" => Destination::Title,
            "info" => return true,
            "listtext" | "pntext" => Destination::Marker,
            "footnote" | "annotation" => {
                self.begin_flow(FlowKind::Note);
                return true;
            }
            "shptxt" | "dptxbxtext" => {
                self.begin_flow(FlowKind::Box);
                return true;
            }
            "pict" => {
                if now == Destination::Body {
                    self.builder.report.images += 1;
                }
                Destination::Nothing
            }
            name if NO_TEXT.contains(&name) => Destination::Nothing,
            name if LEFT_OUT.contains(&name) => Destination::LeftOut,
            name if TRANSPARENT.contains(&name) => return true,
            // Properties of formulas: `mfPr`, `mctrlPr` and the like.
            name if name.starts_with('m') && name.ends_with("Pr") => Destination::Nothing,
            // In the tables of fonts and styles, unknown destinations are properties of an entry (`\*\cs10`).
            _ if ignorable && now != Destination::Body => {
                return matches!(now, Destination::FontTable);
            }
            _ if ignorable => Destination::LeftOut,
            _ => return false,
        };
        self.state.destination = found;
        true
    }
}
