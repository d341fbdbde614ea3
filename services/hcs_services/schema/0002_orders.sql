CREATE TABLE IF NOT EXISTS orders (
  order_id     BIGINT UNSIGNED NOT NULL,
  user_id      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  product_id   VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  quantity     INT UNSIGNED NOT NULL,
  total_amount DECIMAL(12,2) NOT NULL,
  status       VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at   DATETIME(6) NOT NULL,
  updated_at   DATETIME(6) NOT NULL,
  slot         SMALLINT UNSIGNED NOT NULL,
  ver          BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (order_id),
  KEY by_user (user_id, order_id),
  KEY by_user_time (user_id, created_at),
  KEY by_change (updated_at, order_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin
