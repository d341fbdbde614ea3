CREATE TABLE IF NOT EXISTS payments (
  order_id   BIGINT UNSIGNED NOT NULL,
  task_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  charge_id  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'null while the claim is pending',
  amount     DECIMAL(12,2) NOT NULL,
  currency   CHAR(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  status     VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'pending, charged or refunded',
  created_at DATETIME(6) NOT NULL,
  slot       SMALLINT UNSIGNED NOT NULL,
  ver        BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin
