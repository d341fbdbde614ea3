CREATE TABLE IF NOT EXISTS dead_letter_audit (
  run     CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'one call of the command',
  letter  BIGINT UNSIGNED NOT NULL COMMENT 'its number in the run',
  done_at DATETIME(6) NOT NULL,
  action  VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'redriven, done before or purged',
  task_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'null where the letter names none',
  type    VARCHAR(64) NOT NULL,
  reason  VARCHAR(64) NOT NULL,
  detail  VARCHAR(500) NOT NULL,
  because VARCHAR(200) NOT NULL COMMENT 'in the words of whoever asked for it',
  PRIMARY KEY (run, letter),
  KEY by_time (done_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin
