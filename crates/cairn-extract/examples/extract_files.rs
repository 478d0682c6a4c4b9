//! Extracts files and prints one JSON line for each: `{"file", "text", "pages"}` or `{"file", "error"}`.
//!
//! `cargo run -p cairn-extract --example extract_files -- [--pdfium PATH] [--password WORD]... [--languages eng+deu] [--web] [--show] ROOT FILE...`;
//! the names printed are relative to `ROOT`. `--languages` lets
//! Tesseract (with these languages), LibreOffice and ffmpeg help. `--web` reads them as pages of the web. `--show` prints the elements for a person instead.
#![expect(clippy::print_stdout, reason = "printing is its purpose")]

use std::path::PathBuf;

use cairn_extract::{
    ExtractOptions, Input, LocalTools, NoTools, Origin, ToolSettings, Tools, extract_with,
    find_pdfium,
};

fn main() -> std::io::Result<()> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut configured = None;
    let mut passwords = Vec::new();
    let mut origin = Origin::File;
    let mut show = false;
    let mut tools: Box<dyn Tools> = Box::new(NoTools);
    while let Some(first) = args.first().filter(|arg| arg.starts_with("--")).cloned() {
        args.remove(0);
        match first.as_str() {
            "--web" => origin = Origin::WebPage,
            "--pdfium" if !args.is_empty() => configured = Some(PathBuf::from(args.remove(0))),
            "--password" if !args.is_empty() => passwords.push(args.remove(0)),
            "--languages" if !args.is_empty() => {
                tools = Box::new(LocalTools::new(ToolSettings {
                    languages: args.remove(0).split('+').map(str::to_owned).collect(),
                    ..ToolSettings::default()
                }));
            }
            _ => show = true,
        }
    }
    let options = ExtractOptions {
        pdfium: find_pdfium(configured.as_deref()),
        passwords: passwords.into(),
        ..ExtractOptions::default()
    };
    let Some((root, files)) = args.split_first() else {
        return Ok(());
    };
    for file in files {
        let bytes = fs_err::read(PathBuf::from(root).join(file))?;
        let input = Input {
            name: file,
            bytes: &bytes,
            origin,
        };
        let result = extract_with(&input, &options, tools.as_ref());
        if show {
            match result {
                Ok(extracted) => {
                    println!(
                        "== {file} {} title={:?}",
                        extracted.media_type, extracted.title
                    );
                    for e in &extracted.elements {
                        println!("[{:?} {} p{:?}] {}", e.kind, e.level, e.page, e.text);
                    }
                    println!(
                        "-- {:?} coverage {:.3}",
                        extracted.report,
                        extracted.report.coverage()
                    );
                }
                Err(error) => println!("== {file} {error}"),
            }
            continue;
        }
        let line = match result {
            Ok(extracted) => {
                let mut pages =
                    vec![String::new(); extracted.report.pages.unwrap_or(0).min(10_000) as usize];
                for element in &extracted.elements {
                    if let Some(page) = element.page.and_then(|n| pages.get_mut(n as usize - 1)) {
                        page.push_str(&element.text);
                        page.push('\n');
                    }
                }
                let text = extracted.render().text;
                if pages.is_empty() {
                    serde_json::json!({"file": file, "text": text})
                } else {
                    serde_json::json!({"file": file, "text": text, "pages": pages})
                }
            }
            Err(error) => serde_json::json!({"file": file, "error": error.to_string()}),
        };
        println!("{line}");
    }
    Ok(())
}
