//! Formulas (Office Math, ECMA-376 part 1, section 22.1) as one line of text.
//!
//! Written about as Word's own linear format (Unicode Technical Note 28): `a^2`, `x_1`, `(a+b)/c`, `∑_(n=1)^∞ x`,
//! `√(x)`. Symbols stay as they are. Accents and boxes are left away, their content is kept.

use quick_xml::events::BytesStart;

use crate::xml::attr;

/// Structures within each other; what is deeper is written without structure. Bounds work on hostile input.
const MAX_DEPTH: usize = 100;

/// A formula that is being read.
#[derive(Debug, Default, Clone)]
pub(crate) struct Math {
    stack: Vec<Node>,
    text: String,
    in_text: bool,
}

#[derive(Debug, Default, Clone)]
struct Node {
    name: String,
    /// Text that is in no argument.
    text: String,
    /// Arguments by name, in order.
    arguments: Vec<(String, String)>,
    /// Characters that the properties name: operator, opening, closing, separator.
    chr: Option<String>,
    opening: Option<String>,
    closing: Option<String>,
    separator: Option<String>,
}

/// Structures, and the arguments that they have.
fn is_structure(local: &str) -> bool {
    matches!(
        local,
        "f" | "sSup"
            | "sSub"
            | "sSubSup"
            | "sPre"
            | "nary"
            | "d"
            | "rad"
            | "func"
            | "limLow"
            | "limUpp"
            | "m"
            | "mr"
            | "eqArr"
    )
}

fn is_argument(local: &str) -> bool {
    matches!(
        local,
        "e" | "num" | "den" | "sup" | "sub" | "deg" | "fName" | "lim"
    )
}

impl Math {
    pub(crate) fn start(&mut self, element: &BytesStart<'_>) {
        let local = element.local_name();
        let local = local.as_ref();
        if is_structure(local) || is_argument(local) {
            if self.stack.len() < MAX_DEPTH {
                self.stack.push(Node {
                    name: local.to_owned(),
                    ..Node::default()
                });
            }
            return;
        }
        if local == "t" {
            self.in_text = true;
        }
        if let Some(node) = self.stack.last_mut() {
            let value = || Some(attr(element, "val").unwrap_or_default());
            match local {
                "chr" => node.chr = value(),
                "begChr" => node.opening = value(),
                "endChr" => node.closing = value(),
                "sepChr" => node.separator = value(),
                _ => {}
            }
        }
    }

    pub(crate) fn end(&mut self, local: &str) {
        if local == "t" {
            self.in_text = false;
        }
        if self.stack.last().is_some_and(|node| node.name == local) {
            self.close_top();
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        if self.in_text {
            self.push(text);
        }
    }

    /// The formula, with a space around it.
    pub(crate) fn finish(mut self) -> String {
        while !self.stack.is_empty() {
            self.close_top();
        }
        format!(" {} ", self.text.trim())
    }

    fn push(&mut self, text: &str) {
        match self.stack.last_mut() {
            Some(node) => node.text.push_str(text),
            None => self.text.push_str(text),
        }
    }

    fn close_top(&mut self) {
        let Some(node) = self.stack.pop() else {
            return;
        };
        let text = node.write();
        match self.stack.last_mut() {
            Some(outer) if is_argument(&node.name) || node.name == "mr" => {
                outer.arguments.push((node.name, text));
            }
            _ => self.push(&text),
        }
    }
}

impl Node {
    fn argument(&self, name: &str) -> &str {
        let found = self.arguments.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, text)| text.trim())
    }

    fn all(&self, separator: &str) -> String {
        let texts: Vec<&str> = self.arguments.iter().map(|(_, text)| text.trim()).collect();
        texts.join(separator)
    }

    /// Lower and upper index, where there are any.
    fn scripts(&self) -> String {
        let mut text = String::new();
        for (mark, name) in [('_', "sub"), ('^', "sup")] {
            let script = self.argument(name);
            if !script.is_empty() {
                text.push(mark);
                text.push_str(&grouped(script));
            }
        }
        text
    }

    fn write(&self) -> String {
        let e = self.argument("e");
        let structure = match self.name.as_str() {
            "f" => format!(
                "{}/{}",
                grouped(self.argument("num")),
                grouped(self.argument("den"))
            ),
            "sSup" | "sSub" | "sSubSup" => format!("{e}{}", self.scripts()),
            "sPre" => format!("{}{e}", self.scripts()),
            "nary" => {
                let operator = self.chr.as_deref().unwrap_or("∫");
                format!("{operator}{} {e}", self.scripts())
            }
            "d" => {
                let side =
                    |chr: &Option<String>, usual: &str| chr.clone().unwrap_or(usual.to_owned());
                let inner = self.all(&side(&self.separator, "|"));
                format!(
                    "{}{inner}{}",
                    side(&self.opening, "("),
                    side(&self.closing, ")")
                )
            }
            "rad" => format!("{}√({e})", self.argument("deg")),
            "func" => format!("{} {e}", self.argument("fName")),
            "limLow" => format!("{e}_{}", grouped(self.argument("lim"))),
            "limUpp" => format!("{e}^{}", grouped(self.argument("lim"))),
            "m" => format!("[{}]", self.all("; ")),
            "mr" => self.all(", "),
            "eqArr" => self.all("; "),
            _ => String::new(),
        };
        format!("{structure}{}", self.text)
    }
}

/// In parentheses, unless it is one name or number, or has them.
fn grouped(text: &str) -> String {
    if text.chars().all(char::is_alphanumeric)
        || (text.starts_with('(') && text.find(')') == Some(text.len() - 1))
    {
        text.to_owned()
    } else {
        format!("({text})")
    }
}

#[cfg(test)]
mod tests {
    use quick_xml::events::Event;

    use super::*;
    use crate::xml::reader;

    fn linear(xml: &str) -> String {
        let mut reader = reader(xml);
        let mut math = Math::default();
        loop {
            match reader.read_event() {
                Ok(Event::Start(element)) => math.start(&element),
                Ok(Event::Empty(element)) => {
                    math.start(&element);
                    math.end(element.local_name().as_ref());
                }
                Ok(Event::End(element)) => math.end(element.local_name().as_ref()),
                Ok(Event::Text(text)) => math.text(&text.xml10_content()),
                Ok(Event::Eof) | Err(_) => return math.finish().trim().to_owned(),
                Ok(_) => {}
            }
        }
    }

    #[test]
    fn formulas_become_a_line() {
        let t = |text: &str| format!("<m:r><m:t>{text}</m:t></m:r>");
        let of = |name: &str, inner: &str| format!("<m:{name}>{inner}</m:{name}>");
        let e = |text: &str| of("e", &t(text));
        let cases = [
            (
                t("E=m") + &of("sSup", &(e("c") + &of("sup", &t("2")))),
                "E=mc^2",
            ),
            (
                of("f", &(of("num", &t("a+b")) + &of("den", &t("2")))),
                "(a+b)/2",
            ),
            (
                of(
                    "nary",
                    &("<m:naryPr><m:chr m:val='∑'/></m:naryPr>".to_owned()
                        + &of("sub", &t("n=1"))
                        + &of("sup", &t("∞"))
                        + &e("x")),
                ),
                "∑_(n=1)^(∞) x",
            ),
            (of("d", &(e("a") + &e("b"))), "(a|b)"),
            (
                of(
                    "d",
                    &("<m:dPr><m:begChr m:val='{'/><m:endChr m:val=''/></m:dPr>".to_owned()
                        + &e("a")),
                ),
                "{a",
            ),
            (of("rad", &("<m:deg/>".to_owned() + &e("x"))), "√(x)"),
            (of("func", &(of("fName", &t("cos")) + &e("x"))), "cos x"),
            (
                of(
                    "m",
                    &(of("mr", &(e("1") + &e("2"))) + &of("mr", &(e("3") + &e("4")))),
                ),
                "[1, 2; 3, 4]",
            ),
            (
                of(
                    "func",
                    &(of("fName", &of("limLow", &(e("lim") + &of("lim", &t("n→0"))))) + &e("x")),
                ),
                "lim_(n→0) x",
            ),
            (of("acc", &e("v")), "v"),
            ("<m:f>".repeat(10_000) + &t("x"), "/x"),
        ];
        for (xml, expect) in cases {
            let found = linear(&xml);
            assert!(
                found == expect || found.ends_with("/x") && expect == "/x",
                "{found} {expect}"
            );
        }
    }
}
