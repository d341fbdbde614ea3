CREATE TABLE IF NOT EXISTS tasks (
  task_id     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  type        VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  status      VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  attempts    INT UNSIGNED NOT NULL,
  payload     JSON NOT NULL,
  result      JSON NULL,
  error       VARCHAR(500) NULL,
  created_at  DATETIME(6) NOT NULL,
  updated_at  DATETIME(6) NOT NULL,
  finished_at DATETIME(6) NULL,
  slot        SMALLINT UNSIGNED NOT NULL,
  ver         BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (task_id),
  KEY by_change (updated_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin
