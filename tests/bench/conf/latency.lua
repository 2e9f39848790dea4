-- A thousand records a second, each with the time at which it was made, through a script into a stream.
app "latency"

local made = stream "made" { key = "id", time = "at" }
local out  = stream "out"  { key = "id", time = "at" }

source "clock" { script "clock.lua" { rate = 1000 }, to = made }

pipeline "pass" { from = made, script "more.lua", to = out }
