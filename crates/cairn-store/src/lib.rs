//! Catalog, blobs and the lock of the data directory.
