-- scripts/transforms/lateness.lua
local fairlead = require "spec.support.fairlead"

local function load(opts) return fairlead.load("transforms/lateness.lua", { opts = opts, streams = { "old" } }) end

-- The outcomes of events given as time, key, time, key …
local function outcomes(script, ...)
	local events, given = { now = 0 }, { ... }
	for k = 1, #given, 2 do
		events[#events + 1] = { time = given[k], key = given[k + 1] or nil, value = {} }
	end
	local said = {}
	for k, out in ipairs(script:process(events)) do said[k] = out.outcome end
	return table.concat(said, " ")
end

describe("lateness", function()
	it("calls late what is not after the highest time of its key", function()
		assert.equal("pass late late pass late pass late",
			outcomes(load {}, 10, "a", 10, "a", 9, "a", 10.5, "a", 10.25, "a", -5, "b", -5.5, "b"))
	end)

	it("allows some seconds", function()
		assert.equal("pass pass late pass", outcomes(load { allow = 2 }, 100, "a", 98.5, "a", 98, "a", 100, "a"))
	end)

	it("has one highest time with by = partition, and needs no key then", function()
		assert.equal("pass late pass late", outcomes(load { by = "partition" }, 100, "a", 99, "b", 101, false, 100.5, "a"))
	end)

	it("rejects what has no key", function()
		assert.equal("reject", outcomes(load {}, 1, false))
	end)

	it("sends late events to the stream it was given", function()
		local events = { { time = 2, key = "a", value = {} }, { time = 1, key = "a", value = {} }, now = 0 }
		local out = load({ to = "old" }):process(events)
		assert.equal("old", out[2].stream)
	end)

	it("counts both by key", function()
		local script = load {}
		outcomes(script, 1, "a", 2, "a", 2, "a", 1, "b")
		assert.same({ a = 1 }, script.counters.late_by_key)
		assert.same({ a = 2, b = 1 }, script.counters.on_time_by_key)
	end)

	it("refuses options that make no sense", function()
		assert.has_error(function() load { by = "moon" } end)
		assert.has_error(function() load { allow = "5s" } end)
		assert.has_error(function() load { allow = -1 } end)
	end)
end)
