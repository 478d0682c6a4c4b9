//! Local inference: tokenizer and native encoder.
