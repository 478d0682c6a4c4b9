//! PDF files with sound structure around content streams of the fuzzer's: the layout analysis is ours, the engine is not.

/// Parts two pages.
const MARK: &[u8] = b"%%%\n";
const MAX_PAGES: usize = 8;

/// A file whose pages draw what `data` says. The first byte turns the pages.
#[must_use]
pub(crate) fn file(data: &[u8]) -> Vec<u8> {
    let (turn, data) = data
        .split_first()
        .map_or((0, data), |(turn, rest)| (*turn, rest));
    let streams = pages(data);
    let n_pages = streams.len();
    let kids: Vec<String> = (0..n_pages).map(|n| format!("{} 0 R", 5 + 2 * n)).collect();
    let mut objects: Vec<Vec<u8>> = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {n_pages} >>",
            kids.join(" ")
        )
        .into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_vec(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier-Bold /Encoding /WinAnsiEncoding >>"
            .to_vec(),
    ];
    let (width, height) = if turn & 4 == 0 {
        (595, 842)
    } else {
        (2000, 200)
    };
    for (n, stream) in streams.iter().enumerate() {
        let rotate = 90 * u32::from(turn & 3);
        let content = 6 + 2 * n;
        objects.push(
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Rotate {rotate} \
                 /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents {content} 0 R >>"
            )
            .into_bytes(),
        );
        let mut object = format!("<< /Length {} >>\nstream\n", stream.len()).into_bytes();
        object.extend_from_slice(stream);
        object.extend_from_slice(b"\nendstream");
        objects.push(object);
    }
    assemble(&objects)
}

fn pages(data: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = data;
    while found.len() + 1 < MAX_PAGES
        && let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK)
    {
        found.push(&rest[..at]);
        rest = &rest[at + MARK.len()..];
    }
    found.push(rest);
    found
}

/// Numbers the objects from 1 and writes the table of their places.
fn assemble(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut pdf = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (n, object) in (1..).zip(objects) {
        places.push(pdf.len());
        pdf.extend_from_slice(format!("{n} 0 obj\n").as_bytes());
        pdf.extend_from_slice(object);
        pdf.extend_from_slice(b"\nendobj\n");
    }
    let start = pdf.len();
    let size = objects.len() + 1;
    let mut table = format!("xref\n0 {size}\n0000000000 65535 f \n");
    for place in places {
        table.push_str(&format!("{place:010} 00000 n \n"));
    }
    table.push_str(&format!(
        "trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    ));
    pdf.extend_from_slice(table.as_bytes());
    pdf
}
