//! The programs of this machine, as the parent of a worker runs them: skipped where they are not installed.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use cairn_extract::{
    ExtractError, ExtractOptions, Input, LocalTools, NoTools, Segment, ToolRequest, ToolSettings,
    Tools, extract_with,
};
use cairn_testkit::need;
use cairn_types::WarningCode;

/// Letters of 5 by 7 points, enough to write with. Rows from the top, the leftmost point in the highest of 5 bits.
const LETTERS: [(char, [u8; 7]); 17] = [
    ('A', [0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11]),
    ('B', [0x1e, 0x11, 0x11, 0x1e, 0x11, 0x11, 0x1e]),
    ('C', [0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e]),
    ('D', [0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e]),
    ('E', [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f]),
    ('F', [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x10]),
    ('H', [0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11]),
    ('I', [0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e]),
    ('L', [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f]),
    ('N', [0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11]),
    ('O', [0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e]),
    ('P', [0x1e, 0x11, 0x11, 0x1e, 0x10, 0x10, 0x10]),
    ('R', [0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11]),
    ('S', [0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e]),
    ('T', [0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04]),
    ('U', [0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e]),
    ('Y', [0x11, 0x11, 0x0a, 0x04, 0x04, 0x04, 0x04]),
];

/// Pixels of one point of a letter.
const POINT: usize = 6;

struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

/// How much ink a pixel of a letter has, of `POINT * POINT`: points flow into one another, so that slopes are no stairs.
fn ink(bits: &[u8; 7], x: usize, y: usize) -> usize {
    let (column, row) = (x / POINT, y / POINT);
    let (right, below) = (x % POINT, y % POINT);
    // Letters stand half a point from the edge: columns and rows count from 1.
    let at = |column: usize, row: usize| {
        let is_in = (1..=5).contains(&column) && (1..=7).contains(&row);
        usize::from(is_in && bits[row.max(1) - 1] >> (5 - column.min(5)) & 1 == 1)
    };
    at(column, row) * (POINT - right) * (POINT - below)
        + at(column + 1, row) * right * (POINT - below)
        + at(column, row + 1) * (POINT - right) * below
        + at(column + 1, row + 1) * right * below
}

/// Lines of capital letters, black on white.
fn write(lines: &[&str]) -> Grey {
    let n_columns = lines.iter().map(|line| line.len()).max().unwrap_or(0);
    let (width, height) = (
        (n_columns * 6 + 20) * POINT,
        (lines.len() * 12 + 20) * POINT,
    );
    let mut pixels = vec![255; width * height];
    for (row, line) in lines.iter().enumerate() {
        for (column, letter) in line.chars().enumerate() {
            let Some((_, bits)) = LETTERS.iter().find(|(known, _)| *known == letter) else {
                assert_eq!(letter, ' ', "a letter that cannot be written");
                continue;
            };
            for y in 0..8 * POINT {
                for x in 0..6 * POINT {
                    if ink(bits, x, y) * 2 >= POINT * POINT {
                        let (x, y) = ((column * 6 + 10) * POINT + x, (row * 12 + 10) * POINT + y);
                        pixels[y * width + x] = 0;
                    }
                }
            }
        }
    }
    Grey {
        width,
        height,
        pixels,
    }
}

impl Grey {
    /// A BMP with 256 greys; rows from the bottom, each to a multiple of four bytes.
    fn bmp(&self) -> Vec<u8> {
        let stride = self.width.next_multiple_of(4);
        let u32_of = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
        let start = 14 + 40 + 1024;
        let mut bmp = b"BM".to_vec();
        for n in [
            start + stride * self.height,
            0,
            start,
            40,
            self.width,
            self.height,
        ] {
            bmp.extend(u32_of(n));
        }
        bmp.extend([1, 0, 8, 0]);
        for n in [0, stride * self.height, 0, 0, 256, 0] {
            bmp.extend(u32_of(n));
        }
        bmp.extend((0..=255_u8).flat_map(|grey| [grey, grey, grey, 0]));
        for row in self.pixels.chunks(self.width).rev() {
            bmp.extend(row);
            bmp.resize(bmp.len() + stride - self.width, 0);
        }
        bmp
    }

    /// Turned by a quarter, clockwise.
    fn turned(&self) -> Self {
        let pixels = (0..self.width)
            .flat_map(|x| (0..self.height).rev().map(move |y| (x, y)))
            .map(|(x, y)| self.pixels[y * self.width + x])
            .collect();
        Self {
            width: self.height,
            height: self.width,
            pixels,
        }
    }
}

/// A TIFF of these pages: grey, 8 bits, one strip each (TIFF 6.0, section 4).
fn tiff(pages: &[Grey]) -> Vec<u8> {
    let mut tiff = b"II\x2a\0\0\0\0\0".to_vec();
    let mut link = 4;
    for page in pages {
        let pixels_at = tiff.len();
        tiff.extend(&page.pixels);
        tiff.resize(tiff.len().next_multiple_of(2), 0);
        let directory_at = tiff.len();
        tiff[link..link + 4].copy_from_slice(&u32::try_from(directory_at).unwrap().to_le_bytes());
        let entries = [
            (256_u16, page.width),
            (257, page.height),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, pixels_at),
            (277, 1),
            (278, page.height),
            (279, page.pixels.len()),
        ];
        tiff.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
        for (tag, value) in entries {
            tiff.extend(tag.to_le_bytes());
            tiff.extend([4, 0, 1, 0, 0, 0]);
            tiff.extend(u32::try_from(value).unwrap().to_le_bytes());
        }
        link = tiff.len();
        tiff.extend([0; 4]);
    }
    tiff
}

fn read(
    name: &str,
    bytes: &[u8],
    tools: &dyn Tools,
) -> Result<cairn_types::Extracted, ExtractError> {
    extract_with(&Input::file(name, bytes), &ExtractOptions::default(), tools)
}

fn words(extracted: &cairn_types::Extracted) -> String {
    let text = extracted.render().text;
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn pictures_are_read() {
    if need("tesseract").is_none() {
        return;
    }
    let tools = LocalTools::new(ToolSettings::default());
    assert!(tools.identity().contains("tesseract=eng"), "{tools:?}");
    let page = write(&["THE FERRY TO THE NORTH IS LATE", "ALL HANDS TO THE PIER"]);
    let extracted = read("board.bmp", &page.bmp(), &tools).unwrap();
    assert_eq!(
        words(&extracted),
        "THE FERRY TO THE NORTH IS LATE ALL HANDS TO THE PIER"
    );
    let ocr = extracted.report.ocr.unwrap();
    assert!(ocr.words == 12 && ocr.confidence > 0.7, "{ocr:?}");
    let bbox = extracted.elements[0].bbox.unwrap();
    assert!(
        (bbox.x0 - 60.0).abs() < 8.0 && (bbox.y0 - 60.0).abs() < 8.0,
        "{bbox:?}"
    );
}

#[test]
fn a_picture_in_a_document_is_read_where_it_stands() {
    if need("tesseract").is_none() {
        return;
    }
    let tools = LocalTools::new(ToolSettings::default());
    let board = write(&["THE FERRY TO THE NORTH IS LATE", "ALL HANDS TO THE PIER"]);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let members: [(&str, &[u8]); 3] = [
        (
            "word/document.xml",
            b"<w:document><w:body><w:p><w:r><w:t>Before</w:t></w:r></w:p><w:p><w:r><w:drawing><a:blip r:embed='p'/></w:drawing></w:r></w:p><w:p><w:r><w:t>After</w:t></w:r></w:p></w:body></w:document>",
        ),
        (
            "word/_rels/document.xml.rels",
            b"<Relationships><Relationship Id='p' Type='x/image' Target='media/board.bmp'/></Relationships>",
        ),
        ("word/media/board.bmp", &board.bmp()),
    ];
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(name, options).unwrap();
        std::io::Write::write_all(&mut writer, bytes).unwrap();
    }
    let bytes = writer.finish().unwrap().into_inner();
    let extracted = read("a.docx", &bytes, &tools).unwrap();
    assert_eq!(
        words(&extracted),
        "Before THE FERRY TO THE NORTH IS LATE ALL HANDS TO THE PIER After"
    );
    let report = &extracted.report;
    assert!(report.ocr.unwrap().confidence > 0.7, "{report:?}");
    assert!(
        report.warnings[0]
            .reason
            .contains("`board.bmp` was recognised: 12 words"),
        "{report:?}"
    );
    let options = ExtractOptions {
        max_inset_pictures: 0,
        ..ExtractOptions::default()
    };
    let plain = extract_with(&Input::file("a.docx", &bytes), &options, &tools).unwrap();
    assert_eq!(
        (words(&plain).as_str(), plain.report.images),
        ("Before After", 1)
    );
}

#[test]
fn pages_of_a_tiff_are_pages() {
    if need("tesseract").is_none() {
        return;
    }
    let tools = LocalTools::new(ToolSettings::default());
    let pages = [
        write(&["FIRST THE BOAT"]),
        write(&[" "]),
        write(&["THEN THE ISLAND"]),
    ];
    let extracted = read("scan.tif", &tiff(&pages), &tools).unwrap();
    let found: Vec<_> = extracted
        .elements
        .iter()
        .map(|e| (e.page, e.text.as_str()))
        .collect();
    assert_eq!(
        found,
        [(Some(1), "FIRST THE BOAT"), (Some(3), "THEN THE ISLAND")]
    );
    assert_eq!(extracted.report.pages, Some(3));
    let blank = &extracted.report.warnings[0];
    assert_eq!(
        (blank.code, blank.page),
        (WarningCode::NoTextLayer, Some(2))
    );
}

#[test]
fn a_picture_on_its_side_is_read_all_the_same() {
    if need("tesseract").is_none() {
        return;
    }
    let tools = LocalTools::new(ToolSettings::default());
    // Orientation is told from many letters.
    let lines = [
        "THE FERRY TO THE NORTH IS LATE",
        "ALL HANDS TO THE PIER AT ONCE",
        "FOOD IS IN THE BAR ON THE LEFT",
    ];
    let page = write(&[lines, lines, lines].concat());
    let extracted = read("board.bmp", &page.turned().bmp(), &tools).unwrap();
    assert!(
        words(&extracted).contains("ALL HANDS TO THE PIER"),
        "{}",
        words(&extracted)
    );
}

#[test]
fn a_picture_without_text_is_empty_and_a_broken_one_fails() {
    if need("tesseract").is_none() {
        return;
    }
    let tools = LocalTools::new(ToolSettings::default());
    let blank = read("a.bmp", &write(&["  "]).bmp(), &tools).unwrap_err();
    assert!(matches!(blank, ExtractError::Empty { .. }), "{blank}");
    let mut torn = write(&["TORN"]).bmp();
    torn.truncate(60);
    let torn = read("a.bmp", &torn, &tools).unwrap_err();
    assert!(matches!(torn, ExtractError::ToolFailed { .. }), "{torn}");
}

#[test]
fn a_missing_language_names_its_package() {
    if need("tesseract").is_none() {
        return;
    }
    let tools = LocalTools::new(ToolSettings {
        languages: vec!["xyz_abc".into()],
        ..ToolSettings::default()
    });
    let Err(ExtractError::Unsupported { hint, .. }) = read("a.bmp", &write(&["A"]).bmp(), &tools)
    else {
        panic!("a language that is not there was used");
    };
    assert!(
        hint.contains("apt-get install tesseract-ocr-xyz-abc"),
        "{hint}"
    );
    let tools = LocalTools::new(ToolSettings {
        languages: vec!["eng".into(), "xyz_abc".into()],
        ..ToolSettings::default()
    });
    assert!(read("a.bmp", &write(&["PIER"]).bmp(), &tools).is_ok());
}

#[test]
fn files_that_are_no_pictures_do_not_reach_tesseract() {
    if need("tesseract").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("secret.bmp");
    fs_err::write(&picture, write(&["SECRET"]).bmp()).unwrap();
    // Tesseract takes any other file for a list of names of pictures and reads those.
    let list = format!("{}\n", picture.display());
    let tools = LocalTools::new(ToolSettings::default());
    let error = tools
        .call(&ToolRequest::Recognize { dpi: None }, list.as_bytes())
        .unwrap_err();
    assert!(error.to_string().contains("no picture"), "{error}");
}

/// A small WAV: a tone of `seconds` at 8 kHz.
fn tone(seconds: u32) -> Vec<u8> {
    let n = seconds * 8000;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + n).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(8000_u32.to_le_bytes());
    wav.extend(8000_u32.to_le_bytes());
    wav.extend([1, 0, 8, 0]);
    wav.extend(b"data");
    wav.extend(n.to_le_bytes());
    wav.extend((0..n).map(|idx| if idx / 9 % 2 == 0 { 100 } else { 156 }));
    wav
}

/// Every request to the service: the file's name and its size.
type Seen = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A service that writes down one sentence of each recording, and what it was sent.
fn with_service(settings: ToolSettings) -> (LocalTools, Seen) {
    let seen = Seen::default();
    let sent = Arc::clone(&seen);
    let tools = LocalTools::new(settings).with_transcription(
        "test",
        Arc::new(move |name: &str, bytes: Vec<u8>| {
            let mut sent = sent.lock().unwrap();
            sent.push((name.to_owned(), bytes));
            let mut text = String::new();
            write!(text, "Piece {}.", sent.len()).unwrap();
            Ok(vec![Segment {
                start_ms: 2000,
                end_ms: 3000,
                text,
            }])
        }),
    );
    (tools, seen)
}

#[test]
fn a_small_recording_is_sent_as_it_is() {
    let (tools, seen) = with_service(ToolSettings {
        ffmpeg: Some("/no/such/ffmpeg".into()),
        ..ToolSettings::default()
    });
    let wav = tone(1);
    let extracted = read("call.wav", &wav, &tools).unwrap();
    assert_eq!(words(&extracted), "[00:00:02] Piece 1.");
    assert_eq!(
        *seen.lock().unwrap(),
        [("recording.wav".to_owned(), wav.clone())]
    );
    // Another container needs ffmpeg, and says so.
    let Err(ExtractError::Unsupported { hint, .. }) =
        read("call.aiff", b"FORM\0\0\0\x04AIFF", &tools)
    else {
        panic!("it was read without ffmpeg");
    };
    assert!(hint.starts_with("needs ffmpeg"), "{hint}");
    let Err(ExtractError::Unsupported { hint, .. }) = read("call.wav", &wav, &NoTools) else {
        panic!("it was read without a service");
    };
    assert!(hint.starts_with("needs a transcription service"), "{hint}");
}

#[test]
fn a_large_recording_is_cut_into_pieces_with_their_times() {
    if need("ffmpeg").is_none() {
        return;
    }
    let (tools, seen) = with_service(ToolSettings {
        max_upload_bytes: 2_000_000,
        ..ToolSettings::default()
    });
    let extracted = read("call.wav", &tone(251), &tools).unwrap();
    assert_eq!(
        words(&extracted),
        "[00:00:02] Piece 1. [00:01:04] Piece 2. [00:02:06] Piece 3. [00:03:08] Piece 4. [00:04:10] Piece 5."
    );
    for (name, bytes) in seen.lock().unwrap().iter() {
        assert_eq!(name, "recording.wav");
        assert!(
            bytes.starts_with(b"RIFF") && bytes.len() <= 2_000_000,
            "{}",
            bytes.len()
        );
    }
}

/// A small film of `seconds` in the container that the name says, with these inputs and options of `ffmpeg`.
fn film(ffmpeg: &Path, name: &str, arguments: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    #[expect(clippy::disallowed_methods, reason = "makes what is tested")]
    let made = std::process::Command::new(ffmpeg)
        .args(["-nostdin", "-hide_banner", "-loglevel", "error"])
        .args(arguments.split(' '))
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{name}: {made:?}");
    fs_err::read(path).unwrap()
}

const PICTURE: &str = "-f lavfi -i testsrc=size=96x64:rate=5:duration=3";

#[test]
fn the_sound_track_of_a_film_is_written_down() {
    let Some(ffmpeg) = need("ffmpeg") else { return };
    let sound = "-f lavfi -i sine=frequency=440:duration=3";
    for (name, codecs, media_type) in [
        ("talk.mp4", "-c:v mpeg4 -c:a aac", "video/mp4"),
        ("talk.mkv", "-c:v mpeg4 -c:a ac3", "video/x-matroska"),
        ("talk.mov", "-c:v mjpeg -c:a pcm_s16le", "video/quicktime"),
        ("talk.avi", "-c:v mpeg4 -c:a mp2", "video/x-msvideo"),
        (
            "talk.webm",
            "-c:v libvpx -deadline realtime -c:a libopus",
            "video/webm",
        ),
    ] {
        let (tools, seen) = with_service(ToolSettings::default());
        let bytes = film(&ffmpeg, name, &format!("{PICTURE} {sound} {codecs}"));
        let extracted = read(name, &bytes, &tools).unwrap();
        assert_eq!(words(&extracted), "[00:00:02] Piece 1.", "{name}");
        assert_eq!(extracted.media_type, media_type, "{name}");
        let seen = seen.lock().unwrap();
        let [(sent, wav)] = &seen[..] else {
            panic!("{name}: {} pieces", seen.len());
        };
        assert_eq!(sent, "recording.wav");
        // Mono at 16 kHz, two bytes a sample: three seconds and what a codec adds at its ends.
        let tag = wav.windows(4).position(|tag| tag == b"fmt ").unwrap();
        let u16_at = |at: usize| u16::from_le_bytes([wav[tag + at], wav[tag + at + 1]]);
        assert_eq!((u16_at(10), u16_at(12)), (1, 16_000), "{name}");
        assert!(
            (90_000..110_000).contains(&wav.len()),
            "{name}: {}",
            wav.len()
        );
    }
}

#[test]
fn a_silent_film_says_so() {
    let Some(ffmpeg) = need("ffmpeg") else { return };
    let (tools, seen) = with_service(ToolSettings::default());
    let bytes = film(&ffmpeg, "a.mp4", &format!("{PICTURE} -c:v mpeg4"));
    let error = read("a.mp4", &bytes, &tools).unwrap_err();
    assert_eq!(
        error,
        ExtractError::Empty {
            reason: "the recording has no sound track".into()
        }
    );
    // Torn in the middle of what says where everything is.
    let torn = read("a.mp4", &bytes[..bytes.len() - 200], &tools).unwrap_err();
    assert!(matches!(torn, ExtractError::ToolFailed { .. }), "{torn}");
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn a_playlist_is_no_recording() {
    if need("ffmpeg").is_none() {
        return;
    }
    let (tools, seen) = with_service(ToolSettings::default());
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("secret.wav");
    fs_err::write(&inner, tone(1)).unwrap();
    let request = ToolRequest::Transcribe {
        extension: "mp4".into(),
    };
    for list in [
        format!("ffconcat version 1.0\nfile '{}'\n", inner.display()),
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
            inner.display()
        ),
    ] {
        let error = tools.call(&request, list.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("ffmpeg failed"), "{error}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn an_old_word_document_is_converted() {
    if need("libreoffice").is_none() {
        return;
    }
    let tools = LocalTools::new(ToolSettings::default());
    // A container with a stream of the right name and nothing that Word would know.
    let error = read("a.doc", &ole_with("WordDocument"), &tools).unwrap_err();
    assert!(matches!(error, ExtractError::ToolFailed { .. }), "{error}");
}

/// An OLE container with one empty stream.
fn ole_with(stream: &str) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
    file.create_stream(stream).unwrap();
    file.into_inner().into_inner()
}
