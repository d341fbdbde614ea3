ALTER TABLE reports ADD KEY by_time (created_at)
