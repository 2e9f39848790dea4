-- The same with lateness and speed as scripts.
app "bench"

local raw      = stream "raw_sensor_data"  { partitions = 6, key = "id", time = "timestamp" }
local enriched = stream "enriched_data"    { partitions = 6, key = "id", time = "timestamp" }
stream "late_sensor_data" { }

pipeline "enrich" {
  from = raw,
  script "transforms/lateness.lua" { allow = 0, to = "late_sensor_data" },
  script "transforms/speed.lua" { x = "x", y = "y", span = 5, least = 1 },
  script "transforms/enrich.lua",
  to = enriched,
}
