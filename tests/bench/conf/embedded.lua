-- The same from a file of lines through the embedded store.
app "bench"

local raw      = stream "raw_sensor_data"  { partitions = 6, key = "id", time = "timestamp" }
local enriched = stream "enriched_data"    { partitions = 6, key = "id", time = "timestamp" }
local late     = stream "late_sensor_data" { }

source "file" { plugin "lines" { file = env "BENCH_FILE" }, to = raw }

pipeline "enrich" {
  from = raw,
  plugin "lateness" { allow = "0s", to = late },
  plugin "speed"    { x = "x", y = "y", span = "5s", least = "1s" },
  script "transforms/enrich.lua",
  to = enriched,
}
