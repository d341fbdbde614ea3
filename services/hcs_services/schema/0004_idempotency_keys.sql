CREATE TABLE IF NOT EXISTS idempotency_keys (
  scope      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  owner      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  idem_key   VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  body_hash  BINARY(32) NOT NULL,
  status     SMALLINT NULL,
  headers    JSON NULL,
  body       MEDIUMBLOB NULL,
  task_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  accepted   BOOL NOT NULL DEFAULT 0,
  created_at DATETIME(6) NOT NULL,
  used_at    DATETIME(6) NOT NULL,
  slot       SMALLINT UNSIGNED NOT NULL,
  ver        BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (scope, owner, idem_key),
  KEY by_use (used_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin
