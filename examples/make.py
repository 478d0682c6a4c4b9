#!/usr/bin/env python3
"""Makes the PDF, DOCX and XLSX files of the example corpus; Python's standard library only.

    python3 examples/make.py          writes the files
    python3 examples/make.py --check  compares the files with what it would write, and looks up every answer of
                                      golden.jsonl in the documents it names

The bytes are the same on every machine: nothing is compressed, and no time or name of the machine is written. The words
stand in `corpus.py`; this file knows only the formats.
"""

import io
import json
import re
import sys
import zipfile
from html import unescape
from pathlib import Path
from xml.sax.saxutils import escape

import corpus

HERE = Path(__file__).resolve().parent
DOCUMENTS = HERE / "documents"


# --- PDF ---------------------------------------------------------------------------------------------------

# Widths of Helvetica from space to tilde, in thousandths of the font size (Adobe's font metrics).
WIDTHS = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556,
    556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
]
PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 595, 842, 64


def width(text, size):
    return sum(WIDTHS[ord(c) - 32] for c in text) * size / 1000


def wrapped(text, size, room):
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and width(longer, size) > room:
            lines.append(line)
            line = word
        else:
            line = longer
    return lines + [line]


class Pages:
    """Page contents as PDF operators, filled from top to bottom."""

    def __init__(self):
        self.pages = []
        self.new_page()

    def new_page(self):
        self.pages.append([])
        self.y = PAGE_HEIGHT - MARGIN

    def room(self, height):
        if self.y - height < MARGIN + 20:
            self.new_page()

    def put(self, x, y, size, text, bold=False):
        text = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        font = "F2" if bold else "F1"
        self.pages[-1].append(f"BT /{font} {size} Tf {x:.1f} {y:.1f} Td ({text}) Tj ET")

    def heading(self, level, text):
        size = {1: 20, 2: 14}[level]
        self.room(size * 4)
        self.y -= size * 1.6
        self.put(MARGIN, self.y, size, text, bold=True)
        self.y -= size * 0.6

    def paragraph(self, text, indent=0):
        lines = wrapped(text, 10.5, PAGE_WIDTH - 2 * MARGIN - indent)
        self.room(min(len(lines), 2) * 14)
        for line in lines:
            self.room(14)
            self.y -= 14
            self.put(MARGIN + indent, self.y, 10.5, line)
        self.y -= 6

    def items(self, items):
        for number, item in enumerate(items, 1):
            self.room(28)
            self.put(MARGIN, self.y - 14, 10.5, f"{number}.")
            self.paragraph(item, indent=18)

    def table(self, rows):
        room = PAGE_WIDTH - 2 * MARGIN
        wants = [max(width(row[i], 9.5) for row in rows) + 12 for i in range(len(rows[0]))]
        scale = room / sum(wants)
        widths = [want * scale for want in wants]
        self.room(len(rows) * 17 + 12)
        self.y -= 6
        top = self.y
        for n, row in enumerate(rows):
            x = MARGIN
            for cell, column in zip(row, widths):
                assert width(cell, 9.5) < column, f"`{cell}` does not fit its column"
                self.put(x + 4, self.y - 12, 9.5, cell, bold=n == 0)
                x += column
            self.y -= 17
        lines = [f"{MARGIN} {top - 17 * n:.1f} m {MARGIN + room} {top - 17 * n:.1f} l" for n in range(len(rows) + 1)]
        xs = [MARGIN + sum(widths[:n]) for n in range(len(widths) + 1)]
        lines += [f"{x:.1f} {top:.1f} m {x:.1f} {self.y:.1f} l" for x in xs]
        self.pages[-1].append("0.5 w " + " ".join(lines) + " S")
        self.y -= 8


def pdf(title, blocks):
    pages = Pages()
    for kind, value in blocks:
        if kind in ("h1", "h2"):
            pages.heading(int(kind[1]), value)
        elif kind == "p":
            pages.paragraph(value)
        elif kind == "list":
            pages.items(value)
        elif kind == "table":
            pages.table(value)
        elif kind == "page":
            pages.new_page()
        else:
            raise ValueError(kind)
    total = len(pages.pages)
    for number, content in enumerate(pages.pages, 1):
        foot = f"{title} - page {number} of {total}"
        content.append(f"BT /F1 8 Tf {MARGIN} 40 Td ({foot}) Tj ET")

    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    kids = " ".join(f"{6 + 2 * n} 0 R" for n in range(total))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {total} >>",
        font.format("Helvetica"),
        font.format("Helvetica-Bold"),
        f"<< /Title ({title}) /Author (Tolm Sound Ferries) >>",
    ]
    for n, content in enumerate(pages.pages):
        stream = "\n".join(content)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {PAGE_WIDTH} {PAGE_HEIGHT}] /Contents {7 + 2 * n} 0 R "
            "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    out += "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 5 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return out.encode("ascii")


# --- Office Open XML ---------------------------------------------------------------------------------------

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
MIME = "application/vnd.openxmlformats-officedocument"


def package(parts):
    """A zip file of (name, text), stored, with one fixed date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, text in parts:
            info = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            info.create_system = 3
            archive.writestr(info, text.encode("utf-8"))
    return buffer.getvalue()


def content_types(overrides):
    rows = "".join(f'<Override PartName="/{part}" ContentType="{kind}"/>' for part, kind in overrides)
    return (
        f'{HEAD}<Types xmlns="{PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{rows}</Types>'
    )


def relations(rows):
    rows = "".join(f'<Relationship Id="rId{n}" Type="{kind}" Target="{target}"/>' for n, (kind, target) in enumerate(rows, 1))
    return f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">{rows}</Relationships>'


def core(title):
    return (
        f'{HEAD}<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{escape(title)}</dc:title><dc:creator>Tolm Sound Ferries</dc:creator></cp:coreProperties>"
    )


CORE = ("docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml")
CORE_RELATION = (f"{PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml")


def docx(title, blocks):
    def paragraph(text, style=None, extra=""):
        style = f'<w:pStyle w:val="{style}"/>' if style else ""
        return f'<w:p><w:pPr>{style}{extra}</w:pPr><w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'

    def table(rows):
        border = '<w:{0} w:val="single" w:sz="4" w:space="0" w:color="808080"/>'
        borders = "".join(border.format(side) for side in ("top", "left", "bottom", "right", "insideH", "insideV"))
        grid = '<w:gridCol w:w="2400"/>' * len(rows[0])
        body = ""
        for n, row in enumerate(rows):
            header = "<w:trPr><w:tblHeader/></w:trPr>" if n == 0 else ""
            cells = "".join(f'<w:tc><w:tcPr><w:tcW w:w="2400" w:type="dxa"/></w:tcPr>{paragraph(cell)}</w:tc>' for cell in row)
            body += f"<w:tr>{header}{cells}</w:tr>"
        return f"<w:tbl><w:tblPr><w:tblBorders>{borders}</w:tblBorders></w:tblPr><w:tblGrid>{grid}</w:tblGrid>{body}</w:tbl>" + paragraph("")

    body = ""
    numbered = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
    for kind, value in blocks:
        if kind in ("h1", "h2"):
            body += paragraph(value, f"Heading{kind[1]}")
        elif kind == "p":
            body += paragraph(value)
        elif kind == "list":
            body += "".join(paragraph(item, "ListParagraph", numbered) for item in value)
        elif kind == "table":
            body += table(value)
        else:
            raise ValueError(kind)
    heading = (
        '<w:style w:type="paragraph" w:styleId="Heading{0}"><w:name w:val="heading {0}"/><w:basedOn w:val="Normal"/>'
        '<w:pPr><w:outlineLvl w:val="{1}"/></w:pPr><w:rPr><w:b/><w:sz w:val="{2}"/></w:rPr></w:style>'
    )
    styles = (
        f'{HEAD}<w:styles xmlns:w="{WORD}"><w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>'
        + heading.format(1, 0, 36)
        + heading.format(2, 1, 28)
        + '<w:style w:type="paragraph" w:styleId="ListParagraph"><w:name w:val="List Paragraph"/><w:basedOn w:val="Normal"/></w:style></w:styles>'
    )
    numbering = (
        f'{HEAD}<w:numbering xmlns:w="{WORD}"><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/>'
        '<w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl></w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
    )
    main = f"{MIME}.wordprocessingml"
    return package([
        ("[Content_Types].xml", content_types([
            ("word/document.xml", f"{main}.document.main+xml"),
            ("word/styles.xml", f"{main}.styles+xml"),
            ("word/numbering.xml", f"{main}.numbering+xml"),
            CORE,
        ])),
        ("_rels/.rels", relations([(f"{OFFICE}/officeDocument", "word/document.xml"), CORE_RELATION])),
        ("docProps/core.xml", core(title)),
        ("word/_rels/document.xml.rels", relations([(f"{OFFICE}/styles", "styles.xml"), (f"{OFFICE}/numbering", "numbering.xml")])),
        ("word/styles.xml", styles),
        ("word/numbering.xml", numbering),
        ("word/document.xml", f'{HEAD}<w:document xmlns:w="{WORD}"><w:body>{body}<w:sectPr/></w:body></w:document>'),
    ])


def xlsx(title, sheets):
    """`sheets`: (name, rows); a cell is a text, a number, or a `datetime.date`."""
    from datetime import date

    strings, index = [], {}

    def cell(row, column, value):
        place = f"{chr(65 + column)}{row}"
        if isinstance(value, date):
            return f'<c r="{place}" s="1"><v>{(value - date(1899, 12, 30)).days}</v></c>'
        if isinstance(value, (int, float)):
            style = ' s="2"' if isinstance(value, float) else ""
            return f'<c r="{place}"{style}><v>{value}</v></c>'
        if value not in index:
            index[value] = len(strings)
            strings.append(value)
        return f'<c r="{place}" t="s"><v>{index[value]}</v></c>'

    bodies = []
    for _, rows in sheets:
        lines = "".join(
            f'<row r="{n}">' + "".join(cell(n, column, value) for column, value in enumerate(row) if value is not None) + "</row>"
            for n, row in enumerate(rows, 1)
        )
        bodies.append(f'{HEAD}<worksheet xmlns="{SHEET}"><sheetData>{lines}</sheetData></worksheet>')
    listed = "".join(f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, (name, _) in enumerate(sheets, 1))
    shared = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in strings)
    # Cell formats: 0 general, 1 a date (built-in 14), 2 two decimals (built-in 2).
    styles = (
        f'{HEAD}<styleSheet xmlns="{SHEET}"><fonts count="1"><font/></fonts>'
        '<fills count="1"><fill><patternFill patternType="none"/></fill></fills><borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0"/></cellStyleXfs><cellXfs count="3"><xf numFmtId="0" xfId="0"/>'
        '<xf numFmtId="14" xfId="0" applyNumberFormat="1"/><xf numFmtId="2" xfId="0" applyNumberFormat="1"/></cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )
    main = f"{MIME}.spreadsheetml"
    names = [f"worksheets/sheet{n}.xml" for n in range(1, len(sheets) + 1)]
    return package([
        ("[Content_Types].xml", content_types(
            [("xl/workbook.xml", f"{main}.sheet.main+xml"), ("xl/styles.xml", f"{main}.styles+xml"),
             ("xl/sharedStrings.xml", f"{main}.sharedStrings+xml"), CORE]
            + [(f"xl/{name}", f"{main}.worksheet+xml") for name in names]
        )),
        ("_rels/.rels", relations([(f"{OFFICE}/officeDocument", "xl/workbook.xml"), CORE_RELATION])),
        ("docProps/core.xml", core(title)),
        ("xl/workbook.xml", f'{HEAD}<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>'),
        ("xl/_rels/workbook.xml.rels", relations(
            [(f"{OFFICE}/worksheet", name) for name in names]
            + [(f"{OFFICE}/styles", "styles.xml"), (f"{OFFICE}/sharedStrings", "sharedStrings.xml")]
        )),
        ("xl/styles.xml", styles),
        ("xl/sharedStrings.xml", f'{HEAD}<sst xmlns="{SHEET}" count="{len(strings)}" uniqueCount="{len(strings)}">{shared}</sst>'),
    ] + [(f"xl/{name}", body) for name, body in zip(names, bodies)])


# --- all of them -------------------------------------------------------------------------------------------

WRITERS = {"pdf": pdf, "docx": docx, "xlsx": xlsx}


def made():
    return {name: WRITERS[name.rsplit(".", 1)[1]](title, content) for name, title, content in corpus.DOCUMENTS}


def plain_text(name):
    """The words of a document, good enough to look an answer up."""
    for own, _, content in corpus.DOCUMENTS:
        if own == name:
            return " ".join(flat(content))
    text = (DOCUMENTS / name).read_text(encoding="utf-8")
    return unescape(re.sub(r"<[^>]*>", " ", text)) if name.endswith(".html") else text


def flat(value):
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from flat(part)
    elif isinstance(value, float):
        yield f"{value:.2f}"
    elif value is not None:
        yield str(value)


def squeeze(text):
    return " ".join(text.lower().split())


def check():
    problems = []
    for name, content in made().items():
        path = DOCUMENTS / name
        if not path.exists() or path.read_bytes() != content:
            problems.append(f"{name} is not what make.py writes")
    ids, n_abstain = set(), 0
    for number, line in enumerate((HERE / "golden.jsonl").read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        expect = row["expect"]
        if row["id"] in ids:
            problems.append(f"line {number}: id {row['id']} is used twice")
        ids.add(row["id"])
        if expect["abstain"]:
            n_abstain += 1
            if expect["answers"] or expect["documents"]:
                problems.append(f"{row['id']}: abstains, and yet names an answer")
            continue
        if not expect["answers"] or not expect["documents"]:
            problems.append(f"{row['id']}: has no answer or no document")
        texts = {name: squeeze(plain_text(name)) for name in expect["documents"]}
        for name, text in texts.items():
            if not any(squeeze(answer) in text for answer in expect["answers"]):
                problems.append(f"{row['id']}: {name} holds none of the answers")
    for problem in problems:
        print(problem)
    print(f"{len(ids)} questions, {n_abstain} of them without an answer; {len(problems)} problems")
    return 1 if problems else 0


def main():
    if sys.argv[1:] == ["--check"]:
        sys.exit(check())
    for name, content in made().items():
        path = DOCUMENTS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        print(f"{name}: {len(content)} bytes")


if __name__ == "__main__":
    main()
