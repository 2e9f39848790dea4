-- What a script, a conf and a test may name; see the script contract in scripts/README.md and conf/.
std = "luajit"
max_line_length = 120
cache = false

local host = { "drop", "reject", "late", "emit", "emit_to", "state", "log", "metric", "json", "cjson", "null" }
local contract = { "transform", "generate", "route", "tick", "open", "close", "version", "migrate" }

-- The Lua half of the host: it makes what scripts may name.
files["core"] = { max_line_length = 140, ignore = { "211/error", "431", "581" } }
files["scripts"] = { read_globals = host, globals = contract, unused_args = false }
files["tests/**/*.lua"] = { read_globals = host, globals = contract, unused_args = false }
files["conf"] = {
	read_globals = { "app", "stream", "source", "pipeline", "sink", "web", "plugin", "script", "env", "kafka", "option", "time" },
}
files["tests/**/conf/*.lua"] = {
	read_globals = { "app", "stream", "source", "pipeline", "sink", "web", "plugin", "script", "env", "kafka", "option", "time" },
}
files["spec"] = { std = "+busted", read_globals = host, globals = contract }
files["spec/contract"] = { read_globals = { "array", "null" }, max_line_length = false }
exclude_files = { "build*/**", "var/**", "tests/misbehave/**" }
