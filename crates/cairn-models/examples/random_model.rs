//! Writes the tiny random model of the tests: `random_model DIR [SEED]`. Other programs compute reference vectors from it.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("random_model DIR [SEED]")?);
    let seed = args.next().as_deref().unwrap_or("1").parse()?;
    cairn_models::testing::write_tiny_model(&dir, seed)?;
    Ok(())
}
