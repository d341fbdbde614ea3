CREATE TABLE IF NOT EXISTS user_lists (
  user_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  slot    SMALLINT UNSIGNED NOT NULL,
  ver     BIGINT UNSIGNED NOT NULL COMMENT 'generation of the list of the orders of this user',
  PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin
