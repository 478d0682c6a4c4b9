//! Bytes of a document to elements in reading order, in a limited worker process.
