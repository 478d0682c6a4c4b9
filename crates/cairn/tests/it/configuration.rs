//! Settings, arguments, help: what is wrong is named, with what would be right.

use serde_json::json;

use crate::support::{Cairn, write};

#[tokio::test]
async fn unknown_keys_and_wrong_types_are_named() {
    let cairn = Cairn::new();
    write(
        &cairn.data(),
        "cairn.toml",
        "[ingest]\nworker = 3\ndeadline_seconds = \"soon\"\n",
    );
    let refused = cairn.run(&["status"]).await.code(2);
    refused
        .says("did you mean `ingest.workers`")
        .says("expected a whole number")
        .says("cairn config");
    let refused = cairn.run(&["status", "--json"]).await.code(2);
    assert_eq!(refused.error()["code"], "invalid_input");
    write(&cairn.data(), "cairn.toml", "[ingest\n");
    cairn
        .run(&["status"])
        .await
        .code(2)
        .says("cairn.toml, line 1");
    for (name, value, part) in [
        (
            "CAIRN_INGEST__WORKERZ",
            "3",
            "did you mean `ingest.workers`",
        ),
        (
            "CAIRN_INGEST__WORKERS",
            "many",
            "`ingest.workers` is `many` (CAIRN_INGEST__WORKERS)",
        ),
        ("CAIRN_LOG__LEVEL", "loud", "one of error, warn"),
        ("CAIRN_CONFIG", "/no/such/file.toml", "/no/such/file.toml"),
        ("CAIRN_SERVER__LISTEN", "here", "`here`"),
    ] {
        let cairn = Cairn::new().set(name, value);
        cairn.run(&["serve"]).await.code(2).says(part);
    }
}

#[tokio::test]
async fn values_are_shown_with_their_origin_and_without_secrets() {
    let cairn = Cairn::new()
        .set("CAIRN_LLM__API_KEY", "sk-very-secret")
        .set("OPENAI_BASE_URL", "http://127.0.0.1:9/v1");
    write(
        &cairn.data(),
        "cairn.toml",
        "[ingest]\nworkers = 3\n[server]\nlisten = \"127.0.0.1:7000\"\n",
    );
    let shown = cairn.run(&["config"]).await.ok();
    assert!(!shown.stdout.contains("sk-very-secret"), "{shown:#?}");
    assert!(
        shown.stdout.contains("api_key = ***  (CAIRN_LLM__API_KEY)"),
        "{shown:#?}"
    );
    assert!(
        shown
            .stdout
            .contains("base_url = http://127.0.0.1:9/v1  (OPENAI_BASE_URL)"),
        "{shown:#?}"
    );
    let lines = cairn.run(&["config", "--json"]).await.ok().lines();
    let value = |key: &str| {
        let line = lines.iter().find(|line| line["key"] == key).unwrap();
        (
            line["value"].clone(),
            line["origin"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(value("ingest.workers").0, "3");
    assert!(value("ingest.workers").1.ends_with("cairn.toml"));
    assert_eq!(
        value("data.dir"),
        (json!(cairn.data()), "CAIRN_DATA_DIR".to_owned())
    );
    assert_eq!(value("models.threads"), (json!("0"), "default".to_owned()));
    let other = cairn.files().join("other");
    let other = other.to_string_lossy();
    let lines = cairn
        .run(&["config", "--json", "--data-dir", &other])
        .await
        .ok()
        .lines();
    let dir = lines.iter().find(|line| line["key"] == "data.dir").unwrap();
    assert_eq!(
        (&dir["value"], &dir["origin"]),
        (&json!(other), &json!("--data-dir"))
    );
    assert!(
        !cairn.files().join("other").exists(),
        "showing settings makes no folder"
    );
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let cairn = Cairn::new();
    let long = "word ".repeat(1000);
    for query in ["", "   ", long.as_str()] {
        for command in ["search", "ask"] {
            let refused = cairn.run(&[command, query]).await.code(2);
            assert!(refused.stderr.starts_with("error: "), "{refused:#?}");
            let refused = cairn.run(&[command, query, "--json"]).await.code(2);
            assert_eq!(refused.error()["code"], "invalid_input", "{refused:#?}");
            assert_eq!(refused.stdout, "");
        }
    }
    for args in [
        &["search", "x", "--path", "a[b"][..],
        &["search", "x", "--since", "tomorrow"],
        &["search", "x", "-k", "0"],
        &["search", "x", "-k", "1000000"],
        &["search", "x", "--mode", "psychic"],
        &["search"],
        &["serach", "x"],
        &["docs", "list", "--path", "a[b"],
    ] {
        cairn.run(args).await.code(2);
    }
    cairn.run(&["serach", "x"]).await.says("search");
}

/// What starts other programs for it gives them their arguments as they are.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn launch_becomes_the_program() {
    let cairn = Cairn::new();
    let limits = r#"{"memory_bytes":1073741824,"cpu_seconds":10,"file_bytes":0,"readable":[],"isolation":"best_effort"}"#;
    let folder = cairn.files().display().to_string();
    let launch = ["launch", limits, &folder];
    let run = cairn
        .run(&[&launch[..], &["/bin/echo", "--help", "-x", "--", "a b"]].concat())
        .await;
    assert_eq!(run.ok().stdout, "--help -x -- a b\n");
    cairn
        .run(&[&launch[..], &["/nonexistent/program"]].concat())
        .await
        .says("cannot be executed");
}

#[tokio::test]
async fn help_teaches() {
    let cairn = Cairn::new();
    let help = cairn.run(&["--help"]).await.ok();
    for part in ["ingest", "cairn ask \"", "Exit codes:", "CAIRN_DATA_DIR"] {
        assert!(help.stdout.contains(part), "{part} in {help:#?}");
    }
    assert!(
        !help.stdout.contains("worker") && !help.stdout.contains("launch"),
        "what is not for people is hidden: {help:#?}"
    );
    let commands = [
        "ingest",
        "search",
        "ask",
        "chat",
        "docs",
        "collections",
        "jobs",
        "key",
        "models",
        "serve",
        "eval",
        "config",
        "status",
        "index",
        "completions",
    ];
    for command in commands {
        let help = cairn.run(&[command, "--help"]).await.ok();
        assert!(help.stdout.contains("Usage: cairn "), "{help:#?}");
    }
    let version = cairn.run(&["--version"]).await.ok();
    assert!(version.stdout.starts_with("cairn 0."), "{version:#?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = cairn.run(&["completions", shell]).await.ok();
        assert!(script.stdout.contains("ingest"), "{shell}");
    }
    assert!(!cairn.data().exists(), "help makes no data folder");
}
