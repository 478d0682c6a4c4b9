//! `cairn key`: API keys.

use cairn_server::api::{CreateKey, Key, KeyCreated, KeyList};
use cairn_types::ErrorKind;
use http::Method;
use serde_json::json;

use crate::cli::KeyCommand;
use crate::client::{Client, encode, read};
use crate::failure::Failure;
use crate::output::{Output, harmless};

pub(crate) async fn run(
    client: &Client,
    command: KeyCommand,
    output: Output,
) -> Result<u8, Failure> {
    match command {
        KeyCommand::Create {
            user,
            groups,
            expires,
            read_only,
        } => {
            let expires_in_days = expires.as_deref().map(days).transpose()?;
            let request = CreateKey {
                user,
                groups: groups.into_iter().collect(),
                expires_in_days,
                read_only,
            };
            let value = client.post("/local/v1/keys", &request).await?;
            if output.json {
                output.value(&value)?;
            } else {
                output.line(read::<KeyCreated>(value)?.key)?;
                output.note("This key is shown once: only a hash of it is kept. Send it as `Authorization: Bearer KEY`.");
            }
        }
        KeyCommand::List => {
            let value = client.get("/local/v1/keys").await?;
            let list: KeyList = read(value.clone())?;
            for (key, raw) in list
                .keys
                .iter()
                .zip(value["keys"].as_array().into_iter().flatten())
            {
                if output.json {
                    output.value(raw)?;
                } else {
                    output.line(row(key, output))?;
                }
            }
            if list.keys.is_empty() {
                output.note("no keys; `cairn key create --user NAME` makes one");
            }
        }
        KeyCommand::Revoke { id } => {
            let path = format!("/local/v1/keys/{}", encode(&id));
            client.json(Method::DELETE, &path, None).await?;
            if output.json {
                output.value(&json!({ "id": id, "revoked": true }))?;
            } else {
                output.line(format!("revoked {id}"))?;
            }
        }
    }
    Ok(0)
}

fn row(key: &Key, output: Output) -> String {
    let groups: Vec<String> = key.groups.iter().map(|group| harmless(group)).collect();
    let state = match (&key.revoked_at, &key.expires_at) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(at)) => format!("expires {at}"),
        (None, None) => "does not expire".to_owned(),
    };
    format!(
        "{}  user {}  groups {}  {}{state}  last used {}",
        output.bold(&key.id),
        harmless(&key.user),
        if groups.is_empty() {
            "-".to_owned()
        } else {
            groups.join(",")
        },
        if key.read_only { "read only  " } else { "" },
        key.last_used_at.as_deref().unwrap_or("never"),
    )
}

/// Reads `90d` or `12w` as days.
fn days(text: &str) -> Result<u32, Failure> {
    let bad = || {
        Failure::new(
            ErrorKind::InvalidInput,
            format!(
                "`{text}` is not a time, expected days or weeks such as `90d` or `12w`, at most ten years"
            ),
        )
    };
    let (number, factor) = match (text.strip_suffix('d'), text.strip_suffix('w')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 7),
        (None, None) => return Err(bad()),
    };
    let days = number
        .parse::<u32>()
        .ok()
        .and_then(|number| number.checked_mul(factor));
    days.filter(|days| (1..=3650).contains(days))
        .ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, expected) in [("90d", 90), ("12w", 84)] {
            assert_eq!(days(text).ok(), Some(expected));
        }
        for bad in [
            "",
            "d",
            "90",
            "-1d",
            "1y",
            "999999999999w",
            "0d",
            "9日",
            "3651d",
        ] {
            assert!(days(bad).is_err(), "{bad}");
        }
    }
}
