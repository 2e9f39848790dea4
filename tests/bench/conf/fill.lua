-- Fills the raw stream, for drain.lua.
app "bench"

local raw      = stream "raw_sensor_data"  { partitions = 6, key = "id", time = "timestamp" }
stream "enriched_data" { partitions = 6, key = "id", time = "timestamp" }
stream "late_sensor_data" { }

source "file" { plugin "lines" { file = env "BENCH_FILE" }, to = raw }
