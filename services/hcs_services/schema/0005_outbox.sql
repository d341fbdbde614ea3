CREATE TABLE IF NOT EXISTS outbox (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  kind       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'cache, task or refund',
  payload    JSON NOT NULL,
  attempts   INT UNSIGNED NOT NULL DEFAULT 0,
  created_at DATETIME(6) NOT NULL,
  slot       SMALLINT UNSIGNED NOT NULL,
  ver        BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (id),
  KEY by_kind (kind, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin
