-- From format 1 to format 2: how documents of the web were fetched.
-- A row is written after the version it belongs to and says nothing about content: losing it costs one download.

CREATE TABLE fetches (
    tenant_id     INTEGER NOT NULL,
    document_id   INTEGER NOT NULL,
    -- The address that answered.
    address       TEXT    NOT NULL,
    -- Validators as they were sent (RFC 9110, section 8.8).
    etag          TEXT,
    last_modified TEXT,
    checked_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, document_id),
    FOREIGN KEY (tenant_id, document_id) REFERENCES documents
) STRICT, WITHOUT ROWID;
