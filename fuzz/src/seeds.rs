//! Inputs to start from: small ones that use much of each format, and documents taken as a target wants them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::pack::unpack;
use crate::targets::Target;

/// A grey picture with nothing on it, for readers that want a picture before they ask what stands on it.
pub(crate) static PICTURE: LazyLock<Vec<u8>> = LazyLock::new(|| picture(400, 300));

/// The bytes that choose the format of a document with this ending, for targets that take several.
fn choice(target: &str, ending: &str) -> &'static [u8] {
    match (target, ending) {
        ("delimited", "tsv") | ("text", "rs" | "py") | ("json", "jsonl") => b"\x01",
        ("subtitles", "srt") | ("archive", "tar") | ("odf", "ods") => b"\x01",
        ("json", "ipynb") | ("archive", "gz") | ("odf", "odp") => b"\x02",
        (
            "detect" | "text" | "html" | "delimited" | "json" | "subtitles" | "archive" | "odf",
            _,
        ) => b"\0",
        ("chunks", _) => b"\x40\x08",
        _ => b"",
    }
}

/// The seed that a document makes, where it suits the target.
#[must_use]
pub fn from_document(target: &Target, ending: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    if !target.endings.contains(&ending) {
        return None;
    }
    let mut seed = choice(target.name, ending).to_vec();
    let rest = target.max_len - seed.len();
    if target.is_package {
        seed.extend(unpack(bytes, rest)?);
    } else {
        seed.extend_from_slice(&bytes[..bytes.len().min(rest)]);
    }
    Some(seed)
}

/// All files below a folder, sorted.
///
/// # Errors
/// Where a folder cannot be read.
pub fn documents_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Seeds made in code.
#[must_use]
pub fn made(target: &str) -> Vec<Vec<u8>> {
    let texts: &[&[u8]] = match target {
        "detect" => &[
            b"\0%PDF-1.7\n",
            b"\0PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x11\0\0\0word/document.xml",
            b"\0\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1W\0o\0r\0d\0D\0o\0c\0u\0m\0e\0n\0t\0",
            b"\x08From: a@b\nTo: c@d\nSubject: x\nDate: y\n\nhi",
            b"\x06<?xml version=\"1.0\"?><a/>",
            b"\x07\xff\xfeW\0E\0B\0V\0T\0T\0",
        ],
        "text" => &[
            b"\0Hello, world.\n\nSecond \xc3\xbc paragraph\r\nwrapped line\n\n- item\n- item\n",
            b"\0\xff\xfeH\0i\0\n\0\n\0x\0",
            b"\0\xfe\xff\0H\0i",
            b"\0caf\xe9 na\xefve Stra\xdfe",
            b"\0\x1b$B$3$s\x1b(B",
            b"\x01fn main() {\n    // say\n    println!(\"x\");\n}\n\nstruct A;\n",
        ],
        "markdown" => &[
            b"---\ntitle: T\n---\n# A\n\ntext *em* [l](u) ![alt](i)\n\n- a\n  - b\n\n1. c\n\n> q\n\n```rust\nx\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nnote[^1]\n\n[^1]: foot\n\n<table><tr><td>x</table>\n",
        ],
        "html" => &[
            b"\0<!doctype html><title>T</title><h1>A</h1><p>x<br>y<table><caption>c</caption><tr><th colspan=2>h<tr><td rowspan=3>a<td>b</table><ul><li>x<ol><li>y</ol></ul><pre>code</pre><img alt=z><dl><dt>a<dd>b</dl>",
            b"\x01<html><head><meta charset=utf-8><link rel=canonical href=/a><meta property=og:title content=x></head><body><nav><a href=/>home</a></nav><main><article><h1>A</h1><p>Long enough text of an article, with commas, and more.</p></article></main><footer>c</footer>",
            b"\0<details><summary>s</summary><svg><text>t</text></svg><select><option>o</select><textarea>x</textarea><math><mi>x</mi></math></details>",
        ],
        "xml" => &[
            b"<?xml version=\"1.0\" encoding=\"utf-8\"?><!DOCTYPE a [<!ENTITY e \"x\">]><a b=\"c\"><d>t &amp; &#65; &e;</d><![CDATA[raw]]><!-- c --></a>",
            b"<article><front><article-meta><title-group><article-title>T</article-title></title-group></article-meta></front><body><sec><title>S</title><p>x</p><table-wrap><table><tr><td>1</td></tr></table></table-wrap></sec></body></article>",
            b"<us-patent-grant><description><p>x</p></description></us-patent-grant>",
        ],
        "delimited" => &[
            b"\0a,b,c\n1,\"x, y\",3\n4,\"quote \"\"d\"\"\",\n",
            b"\0a;b\n1,5;2\n",
            b"\x01a\tb\n1\t2\n",
        ],
        "json" => &[
            b"\0{\"a\": [1, 2.5e3, null, true, {\"b\": \"\\u00fc\\ud83d\\ude00\"}], \"title\": \"x\"}",
            b"\0[{\"a\": 1, \"b\": 2}, {\"a\": 3, \"b\": 4}]",
            b"\x01{\"a\": 1}\n{\"a\": 2}\nnot json\n",
            b"\x02{\"cells\": [{\"cell_type\": \"markdown\", \"source\": [\"# T\\n\", \"x\"]}, {\"cell_type\": \"code\", \"source\": \"print(1)\", \"outputs\": [{\"output_type\": \"stream\", \"text\": [\"1\"]}, {\"output_type\": \"execute_result\", \"data\": {\"text/html\": \"<b>x</b>\", \"text/plain\": \"x\"}}]}], \"metadata\": {\"kernelspec\": {\"language\": \"python\"}}, \"nbformat\": 4}",
        ],
        "subtitles" => &[
            b"\0WEBVTT - title\n\nNOTE x\n\nSTYLE\n::cue {}\n\nid\n00:01.000 --> 00:02.500 align:start\n<v Ann>Hello <b>you</b></v>\n\n01:00:00.000 --> 01:00:01.000\nx\n",
            b"\x011\n00:00:01,000 --> 00:00:02,500\nHello\n<i>you</i>\n\n2\n00:00:03,000 --> 00:00:04,000\nx\n",
            b"\x02[{\"start_ms\": 0, \"end_ms\": 1000, \"text\": \"Hello\"}, {\"start_ms\": 5000, \"end_ms\": 2, \"text\": \"x\"}]",
        ],
        "asciidoc" => &[
            b"= Title\nAuthor <a@b>\n:attr: v\n\n== Part\n\ntext *bold* {attr} `code` https://x[y]\n\n* a\n** b\n. c\n\nterm:: def\n\n[source,rust]\n----\nx\n----\n\n|===\n|a |b\n\n|1 |2\n3+|x\n|===\n\nNOTE: n\n\n====\nex\n====\n\nimage::a.png[alt]\ninclude::b[]\n////\nc\n////\n",
        ],
        "rst" => &[
            b"=====\nTitle\n=====\n\nPart\n----\n\ntext *em* **b** ``c`` `l <u>`_ |s|\n\n- a\n\n  - b\n\n#. c\n\nterm\n  def\n\n.. note:: n\n\n.. code-block:: rust\n\n   x\n\n.. image:: a.png\n   :alt: z\n\n+---+---+\n| a | b |\n+===+===+\n| 1 | 2 |\n+---+---+\n\n=== ===\na   b\n=== ===\n1   2\n=== ===\n\n.. [1] foot\n.. |s| replace:: x\n\n.. list-table::\n\n   * - a\n     - b\n",
        ],
        "rtf" => &[
            b"{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl{\\f0\\fcharset0 Arial;}}{\\colortbl;\\red0;}{\\stylesheet{\\s1 heading 1;}}{\\info{\\title T}}\\pard\\s1 H\\par\\pard x\\'e9\\u8364?\\tab y\\line z{\\*\\bkmkstart a}\\par\\trowd\\cellx100\\cellx200\\intbl a\\cell b\\cell\\row\\pard{\\footnote f}{\\field{\\*\\fldinst HYPERLINK \"u\"}{\\fldrslt l}}{\\pict\\pngblip 00ff}\\bin3 abc\\ls1\\par}",
            b"{\\rtf1\\mac\\uc2\\u-1234??\\uc0\\u55357\\u56832{\\upr{a}{\\*\\ud{b}}}}",
        ],
        "eml" => &[
            b"From: =?utf-8?B?w7w=?= <a@b>\r\nTo: c@d\r\nSubject: =?iso-8859-1?Q?caf=E9_x?=\r\n y\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"B\"\r\n\r\n--B\r\nContent-Type: multipart/alternative; boundary=C\r\n\r\n--C\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=BC=\r\nx\r\n--C\r\nContent-Type: text/html\r\n\r\n<p>x\r\n--C--\r\n--B\r\nContent-Type: text/csv; name*0*=utf-8''a%20; name*1=b.csv\r\nContent-Disposition: attachment; filename=\"a.csv\"\r\nContent-Transfer-Encoding: base64\r\n\r\nYSxiCjEsMgo=\r\n--B\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n--B--\r\n",
            b"From a@b Mon Jan 1\nFrom: a\nSubject: x\n\nbody\n\nFrom c@d Mon Jan 1\nFrom: c\nSubject: y\n\nbody\n",
        ],
        "pdf" => &[
            b"\0BT /F1 12 Tf 72 720 Td (First line of text) Tj 0 -14 Td (second hyphen-) Tj 0 -14 Td (ated line) Tj ET",
            b"\0BT /F1 10 Tf 1 0 0 1 50 700 Tm (left) Tj 1 0 0 1 320 700 Tm (right) Tj 1 0 0 1 50 680 Tm (left two) Tj 1 0 0 1 320 680 Tm (right two) Tj ET\n%%%\nBT /F2 20 Tf 50 800 Td (Head) Tj ET",
            b"\x010.5 w 100 100 200 100 re S 100 150 m 300 150 l S 200 100 m 200 200 l S BT /F1 10 Tf 110 160 Td (a) Tj 100 0 Td (b) Tj -100 -50 Td (c) Tj 100 0 Td (d) Tj ET",
            b"\x04q 2 0 0 .5 10 10 cm BT 3 Tr /F1 8 Tf 45 TL [(A) -500 (W) 120 (ay)] TJ T* (x) ' 1 2 (y) \" ET Q 0 0 m 9 9 8 8 7 7 c h f",
        ],
        "recognised" => &[
            b"level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n1\t1\t0\t0\t0\t0\t0\t0\t400\t300\t-1\t\n2\t1\t1\t0\t0\t0\t10\t10\t100\t20\t-1\t\n3\t1\t1\t1\t0\t0\t10\t10\t100\t20\t-1\t\n4\t1\t1\t1\t1\t0\t10\t10\t100\t20\t-1\t\n5\t1\t1\t1\t1\t1\t10\t10\t40\t20\t96.5\tHello\n5\t1\t1\t1\t1\t2\t55\t10\t40\t20\t12\tworld\n",
        ],
        "chunks" => &[
            b"\x40\x08# Head\n\nFirst sentence. Second one! Third?\n\na | b\n1 | 2\n\nlonglonglonglonglonglonglonglonglonglonglonglong\n\n\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x80\x82\n\nlast",
        ],
        "frames" => &[
            b"\x0d\0\0\0{\"version\":2}\x28\0\0\0{\"failed\":{\"error\":\"password_required\"}}",
            b"\x35\0\0\0{\"call\":{\"request\":{\"recognize\":{\"dpi\":300}},\"size\":3}}abc",
            b"\x2d\0\0\0{\"name\":\"a.txt\",\"origin\":\"file\",\"size\":5}12345",
            b"\xff\xff\xff\xff",
        ],
        "query" => &[
            "Wie hoch ist die Brücke? \"exact\" AND -not".as_bytes(),
            "日本語 ไทย русский ελληνικά العربية running ﬁ Ⅷ é".as_bytes(),
        ],
        "docx" => &[
            b"<w:document><w:body><w:p><w:pPr><w:pStyle w:val=\"Heading1\"/><w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"1\"/></w:numPr></w:pPr><w:r><w:t>x</w:t><w:tab/><w:br/></w:r></w:p><w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val=\"2\"/><w:vMerge w:val=\"restart\"/></w:tcPr><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc></w:tr></w:tbl><w:ins><w:r><w:t>i</w:t></w:r></w:ins><w:del><w:r><w:delText>d</w:delText></w:r></w:del></w:body></w:document>\n%%% word/styles.xml\n<w:styles><w:style w:styleId=\"Heading1\" w:type=\"paragraph\"><w:name w:val=\"heading 1\"/><w:basedOn w:val=\"Heading1\"/></w:style></w:styles>\n%%% word/numbering.xml\n<w:numbering><w:abstractNum w:abstractNumId=\"0\"><w:lvl w:ilvl=\"0\"><w:numFmt w:val=\"upperRoman\"/><w:lvlText w:val=\"%1.\"/><w:start w:val=\"4000\"/></w:lvl></w:abstractNum><w:num w:numId=\"1\"><w:abstractNumId w:val=\"0\"/></w:num></w:numbering>",
        ],
        "pptx" => &[
            b"%%% ppt/presentation.xml\n<p:presentation><p:sldIdLst><p:sldId r:id=\"r1\"/></p:sldIdLst></p:presentation>\n%%% ppt/_rels/presentation.xml.rels\n<Relationships><Relationship Id=\"r1\" Type=\"slide\" Target=\"slides/slide1.xml\"/></Relationships>\n%%% ppt/slides/slide1.xml\n<p:sld><p:cSld><p:spTree><p:sp><p:nvSpPr><p:nvPr><p:ph type=\"title\"/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>T</a:t></a:r></a:p></p:txBody></p:sp><p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tr><a:tc gridSpan=\"2\"><a:txBody><a:p><a:r><a:t>c</a:t></a:r></a:p></a:txBody></a:tc></a:tr></a:tbl></a:graphicData></a:graphic></p:graphicFrame></p:spTree></p:cSld></p:sld>\n",
        ],
        "xlsx" => &[
            b"%%% xl/workbook.xml\n<workbook xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><workbookPr date1904=\"1\"/><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>\n%%% xl/_rels/workbook.xml.rels\n<Relationships><Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>\n%%% xl/styles.xml\n<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"[Red]#,##0.00;(0.0%);&quot;x&quot;@;yyyy-mm-dd hh:mm:ss.0\"/><numFmt numFmtId=\"165\" formatCode=\"# ?/?\"/><numFmt numFmtId=\"166\" formatCode=\"0.00E+00\"/></numFmts><cellXfs><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/><xf numFmtId=\"166\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>\n%%% xl/worksheets/sheet1.xml\n<worksheet><dimension ref=\"A1:D2\"/><sheetData><row r=\"1\"><c r=\"A1\" s=\"0\"><v>-1234.5</v></c><c r=\"B1\" s=\"1\"><v>0.375</v></c><c r=\"C1\" s=\"2\"><v>1e300</v></c><c r=\"D1\" s=\"3\"><f>A1</f><v>45000.75</v></c></row><row r=\"2\"><c r=\"A2\" t=\"inlineStr\"><is><t>x</t></is></c></row></sheetData><mergeCells><mergeCell ref=\"A1:B2\"/></mergeCells></worksheet>\n",
        ],
        "xlsb" => &[
            b"%%% xl/workbook.bin\n\x99\x01\x04\x00\x00\x00\x00\x9c\x01\x16\x00\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00r\x001\x00\x01\x00\x00\x00S\x00\n%%% xl/_rels/workbook.bin.rels\n<Relationships><Relationship Id=\"r1\" Type=\"worksheet\" Target=\"worksheets/sheet1.bin\"/><Relationship Id=\"r2\" Type=\"styles\" Target=\"styles.bin\"/><Relationship Id=\"r3\" Type=\"sharedStrings\" Target=\"strings.bin\"/></Relationships>\n%%% xl/styles.bin\n,\x0e\xa4\x00\x04\x00\x00\x000\x00.\x000\x00%\x00\xe9\x04\x04\x02\x00\x00\x00/\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00/\x10\x00\x00\xa4\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xea\x04\x00\n%%% xl/strings.bin\n\x13\x0d\x00\x04\x00\x00\x00N\x00a\x00m\x00e\x00\n%%% xl/worksheets/_rels/sheet1.bin.rels\n<Relationships><Relationship Id=\"r1\" Type=\"comments\" Target=\"../comments.bin\"/></Relationships>\n%%% xl/comments.bin\n\xf8\x04\x06\x01\x00\x00\x00A\x00\xfb\x04$\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xfd\x04\x07\x00\x01\x00\x00\x00c\x00\n%%% xl/worksheets/sheet1.bin\n<\x12\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x0d\x00\x00\x00\x00\x00\x00\x00\x00,\x01\x00\x10\x00\x07\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x06\x0e\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00x\x00\x02\x0c\x02\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00\x09\x10\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04@\x04\x09\x04\x00\x00\x00\x00\x00\x00\x00\x01\x03\x09\x05\x00\x00\x00\x00\x00\x00\x00\x07\xb0\x01\x10\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x82\x01\x00\n",
        ],
        "odf" => &[
            b"\0<office:document-content><office:body><office:text><text:h text:outline-level=\"1\">T</text:h><text:p>a<text:s text:c=\"3\"/>b<text:tab/><text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>n</text:p></text:note-body></text:note></text:p><text:list><text:list-item><text:p>x</text:p></text:list-item></text:list></office:text></office:body></office:document-content>",
            b"\x01<office:document-content><office:body><office:spreadsheet><table:table table:name=\"S\"><table:table-row table:number-rows-repeated=\"1048576\"><table:table-cell table:number-columns-repeated=\"1024\" table:number-columns-spanned=\"2\" office:value-type=\"float\" office:value=\"1\"><text:p>1</text:p></table:table-cell></table:table-row></table:table></office:spreadsheet></office:body></office:document-content>",
            b"\x02<office:document-content><office:body><office:presentation><draw:page draw:name=\"p\"><draw:frame presentation:class=\"title\"><draw:text-box><text:p>T</text:p></draw:text-box></draw:frame><presentation:notes><draw:frame><draw:text-box><text:p>n</text:p></draw:text-box></draw:frame></presentation:notes></draw:page></office:presentation></office:body></office:document-content>",
        ],
        "epub" => &[
            b"<container><rootfiles><rootfile full-path=\"OEBPS/a.opf\" media-type=\"application/oebps-package+xml\"/></rootfiles></container>\n%%% OEBPS/a.opf\n<package><metadata><dc:title>T</dc:title></metadata><manifest><item id=\"c\" href=\"c%201.xhtml\" media-type=\"application/xhtml+xml\"/></manifest><spine><itemref idref=\"c\"/></spine></package>\n%%% OEBPS/c 1.xhtml\n<html><body><h1>A</h1><p>x</p></body></html>\n",
        ],
        _ => &[],
    };
    let mut seeds: Vec<Vec<u8>> = texts.iter().map(|text| text.to_vec()).collect();
    if target == "archive" {
        let zip = crate::pack(b"%%% a.txt\nhello\n%%% b/c.md\n# x\n", None, "m");
        let mut outer = b"%%% d.txt\nx\n%%% inner.zip\n".to_vec();
        outer.extend(&zip);
        for bytes in [zip, crate::pack(&outer, None, "m")] {
            seeds.push([b"\0", &bytes[..]].concat());
        }
        seeds.push([b"\x01", &tar("a.txt", b"hello")[..]].concat());
    }
    if target == "msg" {
        seeds.push(message());
    }
    seeds
}

/// An Outlook message with subject and body: a compound file ([MS-CFB] section 2) of two streams, each long enough to stand
/// in sectors of its own.
fn message() -> Vec<u8> {
    const END: u32 = 0xffff_fffe;
    const NONE: u32 = 0xffff_ffff;
    let mut file = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    file.resize(24, 0);
    for half in [0x3e_u16, 3, 0xfffe, 9, 6] {
        file.extend(half.to_le_bytes());
    }
    file.resize(44, 0);
    // One sector of the table, the directory in sector 1, streams from 4096 bytes in sectors, no small ones.
    for word in [1, 1, 0, 4096, END, 0, END, 0, 0] {
        file.extend(word.to_le_bytes());
    }
    file.resize(512, 0xff);
    let mut table = vec![0xffff_fffd, END];
    for stream in [2_u32, 10] {
        table.extend(stream + 1..stream + 8);
        table.push(END);
    }
    table.resize(128, NONE);
    file.extend(table.iter().flat_map(|word| word.to_le_bytes()));
    for (name, kind, right, child, start, size) in [
        ("Root Entry", 5, NONE, 1, END, 0),
        ("__substg1.0_0037001F", 2, 2, NONE, 2, 4096),
        ("__substg1.0_1000001F", 2, NONE, NONE, 10, 4096),
        ("", 0, NONE, NONE, 0, 0_u32),
    ] {
        let begin = file.len();
        file.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        let n_bytes = u16::try_from(file.len() - begin + 2).unwrap_or(0);
        file.resize(begin + 64, 0);
        file.extend(n_bytes.to_le_bytes());
        file.extend([kind, 1]);
        for word in [NONE, right, child] {
            file.extend(word.to_le_bytes());
        }
        file.resize(begin + 116, 0);
        file.extend(start.to_le_bytes());
        file.extend(size.to_le_bytes());
        file.resize(begin + 128, 0);
    }
    for word in ["Subject ", "Body of it. "] {
        let text = word.repeat(4096 / word.len());
        let begin = file.len();
        file.extend(text.encode_utf16().flat_map(u16::to_le_bytes).take(4096));
        file.resize(begin + 4096, 0x20);
    }
    file
}

/// A TAR archive (POSIX.1-2008, ustar) with one member.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    let size = format!("{:011o}\0", content.len());
    header[124..136].copy_from_slice(size.as_bytes());
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header.extend_from_slice(content);
    header.resize(header.len().next_multiple_of(512) + 1024, 0);
    header
}

/// A PNG (ISO/IEC 15948) of one grey, its rows stored without compression (RFC 1950, RFC 1951).
fn picture(width: u16, height: u16) -> Vec<u8> {
    let row = vec![0_u8; usize::from(width).div_ceil(8) + 1];
    let rows = row.repeat(usize::from(height));
    let mut data = vec![0x78, 0x01];
    let mut blocks = rows.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let n = u16::try_from(block.len()).unwrap_or(u16::MAX);
        data.push(u8::from(blocks.peek().is_none()));
        data.extend(n.to_le_bytes());
        data.extend((!n).to_le_bytes());
        data.extend_from_slice(block);
    }
    // Adler-32 of zeros: the first sum stays 1, the second counts the bytes.
    let adler = (u32::try_from(rows.len()).unwrap_or(0) % 65521) << 16 | 1;
    data.extend(adler.to_be_bytes());
    let mut header = Vec::new();
    header.extend(u32::from(width).to_be_bytes());
    header.extend(u32::from(height).to_be_bytes());
    header.extend([1, 0, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, content) in [(b"IHDR", &header), (b"IDAT", &data), (b"IEND", &Vec::new())] {
        png.extend(u32::try_from(content.len()).unwrap_or(0).to_be_bytes());
        let start = png.len();
        png.extend_from_slice(kind);
        png.extend_from_slice(content);
        let sum = crc32(&png[start..]);
        png.extend(sum.to_be_bytes());
    }
    png
}

/// CRC-32 as PNG has it (ISO/IEC 15948, annex D), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::TARGETS;

    #[test]
    fn every_target_has_a_seed() {
        for target in TARGETS {
            let n_seeds = made(target.name).len() + target.endings.len();
            assert!(n_seeds > 0, "{}", target.name);
        }
    }

    #[test]
    fn sums_are_those_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
    }
}
