-- yacht: where is each boat, and how fast does it go?
app "yacht"

local raw      = stream "raw_sensor_data"  { partitions = 6, key = "id", time = "timestamp" }
local enriched = stream "enriched_data"    { partitions = 6, key = "id", time = "timestamp" }
local late     = stream "late_sensor_data" { }

source "sailboats" { script "generators/sailboat.lua" { boats = 6, late = 0.05 }, to = raw }

pipeline "enrich" {
  from = raw,
  plugin "lateness" { allow = "0s", to = late },
  plugin "speed"    { x = "x", y = "y", span = "5s", least = "1s" },
  script "transforms/enrich.lua",
  to = enriched,
}

sink "readings" { from = enriched, plugin "sqlite" { file = "yacht.db", table = "readings" } }
web  "map"      { from = enriched, page = "yacht" }
