app "yacht"
local raw      = stream "raw_sensor_data"  { partitions = 6, key = "id", time = "timestamp" }
local enriched = stream "enriched_data"    { time = { "t", unit = "ms" }, keep = "7d", keep_bytes = "1GiB", codec = "text" }
local late     = stream "late" { record = "1MiB", depth = 8, validate = "full", time = { "t", format = "%Y" } }
source "sailboats" { script "g.lua" { boats = 6, rate = 11, memory = "8MiB", fuel = 100 }, to = raw }
pipeline "enrich" {
  from = raw,
  plugin "lateness" { allow = "0s", to = late },
  plugin "speed" { x = "x", list = { 1, "b", true }, deep = { a = { b = time "t" } } },
  script "transforms/enrich.lua" { name = "last" },
  to = enriched,
}
local db = env "TIMESCALEDB_URL"
sink "readings" { from = enriched, start = "newest", db and plugin "postgres" { url = db } or plugin "sqlite" { } }
web "map" { from = enriched, page = "yacht" }
kafka { ["a.b"] = 1/0 }
option { durability = "power", state_memory = "1MiB" }
