//! Old office formats to current ones with `LibreOffice`, headless, in a profile that nobody else uses.
//!
//! The input filter is named, so that a file of another format that only looks like a document is not read as that format.
//! The profile forbids macros, active content and the loading of what a document links to.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use super::result::read_result;
use super::run::Job;
use super::{ToolSettings, failed, folder_with, run_logged};
use crate::tools::{LegacyFormat, ToolError};

/// Size of a converted document.
const MAX_CONVERTED: u64 = 256 << 20;
/// First bytes of an OLE container (MS-CFB, section 2.2).
const OLE: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
const WHAT: &str = "LibreOffice";

/// Settings of the profile: no macros, no active content, no links followed.
const PROFILE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="MacroSecurityLevel" oor:op="fuse"><value>3</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableMacrosExecution" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="DisableActiveContent" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="BlockUntrustedRefererLinks" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Writer/Content/Update"><prop oor:name="Link" oor:op="fuse"><value>2</value></prop></item>
</oor:items>
"#;

/// The document in its current format.
pub(super) fn convert(
    soffice: &Path,
    from: LegacyFormat,
    payload: &[u8],
    settings: &ToolSettings,
) -> Result<Vec<u8>, ToolError> {
    if !payload.starts_with(&OLE) {
        return Err(failed(WHAT, "the file is no document of Office 97 to 2003"));
    }
    let (input, in_filter, to, output) = match from {
        LegacyFormat::Doc => (
            "input.doc",
            "MS Word 97",
            "docx:MS Word 2007 XML",
            "input.docx",
        ),
        LegacyFormat::Ppt => (
            "input.ppt",
            "MS PowerPoint 97",
            "pptx:Impress MS PowerPoint 2007 XML",
            "input.pptx",
        ),
    };
    let of_file = |error: std::io::Error| failed(WHAT, error.to_string());
    let folder = folder_with(input, payload).map_err(of_file)?;
    let profile = folder.path().join("profile");
    fs_err::create_dir_all(profile.join("user")).map_err(of_file)?;
    fs_err::write(profile.join("user/registrymodifications.xcu"), PROFILE).map_err(of_file)?;
    let mut own_profile = OsString::from("-env:UserInstallation=file://");
    own_profile.push(&profile);
    let mut args = vec![own_profile];
    args.extend(
        [
            "--headless",
            "--norestore",
            "--nolockcheck",
            "--nodefault",
            "--nologo",
        ]
        .map(OsString::from),
    );
    args.push(format!("--infilter={in_filter}").into());
    args.extend(["--convert-to", to, "--outdir", ".", input].map(OsString::from));
    let job = Job {
        program: soffice,
        args,
        folder: folder.path(),
        launcher: settings.launcher.as_ref(),
        stdin: None,
        deadline: settings.convert_deadline,
        max_output: 1 << 20,
    };
    let finished = run_logged(WHAT, &job)?;
    // It ends with success also where it could not read the document: the file tells.
    read_result(folder.path(), output, MAX_CONVERTED).map_err(|error| match error.kind() {
        ErrorKind::NotFound => failed(WHAT, finished.reason(&job)),
        _ => of_file(error),
    })
}

#[cfg(test)]
mod tests {
    use super::super::played_by_shell;
    use super::*;

    #[test]
    fn only_ole_containers_get_through() {
        let error = convert(
            Path::new("/bin/false"),
            LegacyFormat::Doc,
            b"{\\rtf1 x}",
            &ToolSettings::default(),
        )
        .unwrap_err();
        assert!(error.to_string().contains("97"), "{error}");
    }

    #[test]
    fn a_program_that_makes_nothing_has_failed() {
        let error = convert(
            Path::new("/bin/true"),
            LegacyFormat::Ppt,
            &OLE,
            &ToolSettings::default(),
        )
        .unwrap_err();
        assert!(matches!(error, ToolError::Failed { .. }), "{error}");
    }

    #[test]
    fn a_program_that_was_taken_over_leads_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        fs_err::write(&secret, b"secret").unwrap();
        for leave in [
            format!("ln -s {} input.docx", secret.display()),
            format!("ln {} input.docx", secret.display()),
            "mkfifo input.docx".to_owned(),
            "ln -s /dev/zero input.docx".to_owned(),
            "mkdir input.docx".to_owned(),
        ] {
            let settings = ToolSettings {
                launcher: Some(played_by_shell(&leave)),
                ..ToolSettings::default()
            };
            let error = convert(Path::new("soffice"), LegacyFormat::Doc, &OLE, &settings);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("input.docx"), "{leave}: {error}");
        }
    }
}
