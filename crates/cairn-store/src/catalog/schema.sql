-- Format 1 of the catalog. Changed only by a migration step; see schema.rs.
--
-- Document, job and key ids are unsigned 64-bit numbers; they are stored with the highest bit turned over,
-- so that the order of the integers here is the order of the ids' text. Instants are Unix milliseconds.
-- Sets of strings are JSON arrays in sorted order, so that equal sets are equal texts.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
    tenant_id     INTEGER PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    created_at    INTEGER NOT NULL,
    head_seq      INTEGER NOT NULL DEFAULT 0,
    -- Chunk numbers below this one are given already; numbers are never given twice.
    next_chunk_no INTEGER NOT NULL DEFAULT 0,
    -- Position of the last restored document: its old chunks came back to life then.
    restored_seq  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE collections (
    collection_id INTEGER PRIMARY KEY,
    tenant_id     INTEGER NOT NULL REFERENCES tenants,
    name          TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT;

-- Interned access lists: rows are never changed or deleted.
CREATE TABLE acls (
    acl_id     INTEGER PRIMARY KEY,
    tenant_id  INTEGER NOT NULL REFERENCES tenants,
    principals TEXT    NOT NULL,
    UNIQUE (tenant_id, principals)
) STRICT;

CREATE TABLE documents (
    tenant_id     INTEGER NOT NULL REFERENCES tenants,
    document_id   INTEGER NOT NULL,
    collection_id INTEGER NOT NULL REFERENCES collections,
    source        TEXT    NOT NULL,
    item_key      TEXT    NOT NULL,
    uri           TEXT    NOT NULL,
    title         TEXT    NOT NULL,
    media_type    TEXT    NOT NULL,
    tags          TEXT    NOT NULL,
    acl_id        INTEGER NOT NULL REFERENCES acls,
    -- The current version.
    version       INTEGER NOT NULL,
    modified_at   INTEGER,
    created_at    INTEGER NOT NULL,
    deleted_at    INTEGER,
    -- Position of its last change.
    changed_seq   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, document_id)
) STRICT, WITHOUT ROWID;

-- One living document per item of a source; deleted ones may share a key with it and with each other.
CREATE UNIQUE INDEX documents_living ON documents (tenant_id, collection_id, source, item_key)
    WHERE deleted_at IS NULL;
CREATE INDEX documents_deleted ON documents (tenant_id, collection_id, source, item_key)
    WHERE deleted_at IS NOT NULL;

-- What one pipeline made of one content. Equal results are shared by all documents of a tenant.
CREATE TABLE renditions (
    rendition_id INTEGER PRIMARY KEY,
    tenant_id    INTEGER NOT NULL REFERENCES tenants,
    blob         BLOB    NOT NULL,
    fingerprint  BLOB    NOT NULL,
    -- SHA-256 over text, elements and report: a pipeline with a time limit may read the same content twice
    -- and understand it differently.
    result_hash  BLOB    NOT NULL,
    n_chars      INTEGER NOT NULL,
    report       TEXT    NOT NULL,
    elements     TEXT    NOT NULL,
    -- UTF-8. A BLOB, so that a chunk's text is read as a range of bytes.
    text         BLOB    NOT NULL,
    UNIQUE (tenant_id, blob, fingerprint, result_hash)
) STRICT;

CREATE TABLE versions (
    tenant_id    INTEGER NOT NULL,
    document_id  INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    rendition_id INTEGER NOT NULL REFERENCES renditions,
    blob         BLOB    NOT NULL,
    fingerprint  BLOB    NOT NULL,
    size_bytes   INTEGER NOT NULL,
    status       TEXT    NOT NULL,
    -- Its chunks are numbered first_chunk .. first_chunk + n_chunks.
    first_chunk  INTEGER NOT NULL,
    n_chunks     INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    -- Positions between which it (and every chunk of it) lives; live_to is empty while it does.
    live_from    INTEGER NOT NULL,
    live_to      INTEGER,
    PRIMARY KEY (tenant_id, document_id, version),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents
) STRICT, WITHOUT ROWID;

-- Chunks live as long as their version does.
CREATE TABLE chunks (
    tenant_id    INTEGER NOT NULL,
    chunk_no     INTEGER NOT NULL,
    document_id  INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    rendition_id INTEGER NOT NULL,
    ordinal      INTEGER NOT NULL,
    char_start   INTEGER NOT NULL,
    char_end     INTEGER NOT NULL,
    byte_start   INTEGER NOT NULL,
    byte_end     INTEGER NOT NULL,
    page         INTEGER,
    heading_path TEXT    NOT NULL,
    lang         TEXT,
    n_tokens     INTEGER NOT NULL,
    input_hash   BLOB    NOT NULL,
    PRIMARY KEY (tenant_id, chunk_no),
    FOREIGN KEY (tenant_id, document_id, version) REFERENCES versions
) STRICT, WITHOUT ROWID;

-- For telling who else has a chunk whose vector came.
CREATE INDEX chunks_by_input ON chunks (input_hash);

CREATE TABLE spaces (
    space_id   INTEGER PRIMARY KEY,
    tenant_id  INTEGER NOT NULL REFERENCES tenants,
    space_key  TEXT    NOT NULL,
    model      TEXT    NOT NULL,
    dim        INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (tenant_id, space_key)
) STRICT;

-- A space belongs to one tenant. The rows stand in order of arrival, so that the vectors of one document
-- stand together; only the small index is in order of the hashes.
CREATE TABLE vectors (
    vector_id  INTEGER PRIMARY KEY,
    space_id   INTEGER NOT NULL REFERENCES spaces,
    input_hash BLOB    NOT NULL,
    vector     BLOB    NOT NULL,
    UNIQUE (space_id, input_hash)
) STRICT;

CREATE TABLE changes (
    tenant_id   INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    document_id INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    -- Rising in order of acceptance.
    job_no         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id      INTEGER NOT NULL REFERENCES tenants,
    job_id         INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    message        TEXT,
    attempts       INTEGER NOT NULL DEFAULT 0,
    acl_id         INTEGER NOT NULL REFERENCES acls,
    collection     TEXT    NOT NULL,
    tags           TEXT    NOT NULL,
    -- Empty: documents keep the list that they have when they are published.
    document_acl_id INTEGER REFERENCES acls,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    UNIQUE (tenant_id, job_id)
) STRICT;
CREATE INDEX jobs_by_state ON jobs (tenant_id, state, kind, job_no);
CREATE INDEX jobs_by_age ON jobs (tenant_id, job_no);

CREATE TABLE job_items (
    job_no      INTEGER NOT NULL REFERENCES jobs,
    item_no     INTEGER NOT NULL,
    item_key    TEXT    NOT NULL,
    blob        BLOB,
    size_bytes  INTEGER NOT NULL,
    outcome     TEXT    NOT NULL,
    reason      TEXT,
    document_id INTEGER,
    PRIMARY KEY (job_no, item_no)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX job_items_by_key ON job_items (job_no, item_key);

CREATE TABLE keys (
    key_id       INTEGER PRIMARY KEY,
    tenant_id    INTEGER NOT NULL REFERENCES tenants,
    secret_hash  BLOB    NOT NULL,
    user_name    TEXT    NOT NULL,
    group_names  TEXT    NOT NULL,
    can_write    INTEGER NOT NULL,
    expires_at   INTEGER,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX keys_by_tenant ON keys (tenant_id, created_at);

-- A reservation has no status yet.
CREATE TABLE idempotency (
    tenant_id   INTEGER NOT NULL REFERENCES tenants,
    scope       BLOB    NOT NULL,
    request_key TEXT    NOT NULL,
    request     BLOB    NOT NULL,
    status      INTEGER,
    body        BLOB,
    touched_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, scope, request_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (tenant_id, touched_at);
