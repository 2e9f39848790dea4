-- scripts/transforms/speed.lua; that it gives the plugin's bytes is tests/plugins/test_twins.c's to check.
local fairlead = require "spec.support.fairlead"

local function load(opts)
	opts.metric = opts.metric or "degrees"
	return fairlead.load("transforms/speed.lua", { opts = opts })
end

-- One event: its speed, or else its outcome and reason.
local function at(script, time, x, y, key)
	local out = script:process { { time = time, key = key or "a", value = { x = x, y = y } }, now = 0 }[1]
	if out.outcome == "pass" then return out.value.inst_speed end
	return out.outcome, out.reason
end

describe("speed", function()
	it("measures from the oldest event within the span", function()
		local script = load { span = 5, least = 1 }
		assert.same({ "drop", "no reference yet" }, { at(script, 0, 0, 0) })
		at(script, 2, 100, 0)
		assert.equal(1, at(script, 5, 3, 4))
		assert.equal(2, at(script, 5.5, 100, 7))
	end)

	it("needs the least time", function()
		local script = load { span = 5, least = 1 }
		at(script, 10, 0, 0)
		assert.equal("drop", (at(script, 10.5, 1, 0)))
		assert.equal(1, at(script, 11, 1, 0))
		assert.equal("drop", (at(script, 100, 1, 0)))
	end)

	it("never divides by no time", function()
		local script = load { span = 5, least = 0 }
		at(script, 1, 0, 0)
		assert.equal("drop", (at(script, 1, 5, 0)))
		assert.equal(4, at(script, 1.25, 1, 0))
	end)

	it("gives metres a second on the earth", function()
		local script = load { span = 5, least = 1, metric = "earth" }
		at(script, 0, 10, 0)
		assert.is_true(math.abs(at(script, 2, 11, 0) - 6371008.8 * math.pi / 360) < 1e-6)
	end)

	it("keeps keys apart", function()
		local script = load { span = 5, least = 1 }
		at(script, 0, 0, 0, "a")
		assert.equal("drop", (at(script, 2, 2, 0, "b")))
		assert.equal(1, at(script, 2, 2, 0, "a"))
	end)

	it("passes events without a speed where it is to keep them, and removes somebody else's", function()
		local script = load { span = 5, least = 1, keep = true }
		local out = script:process { { time = 0, key = "a", value = { x = 1, y = 2, inst_speed = 99 } }, now = 0 }[1]
		assert.equal("pass", out.outcome)
		assert.same({ x = 1, y = 2 }, out.value)
	end)

	it("gives what comes out of order its place", function()
		local script = load { span = 5, least = 1 }
		at(script, 10, 0, 0)
		at(script, 14, 8, 0)
		assert.equal(1, at(script, 12, 2, 0)) -- from the one of 10
		assert.equal("drop", (at(script, 1, 0, 0))) -- older than all that is kept
		assert.equal(3, at(script, 17, 17, 0)) -- from the one of 12
	end)

	it("keeps no more than most events", function()
		local script = load { span = 1000, least = 1, most = 16 }
		for k = 0, 98 do at(script, k, k < 90 and 0 or k, 0) end
		assert.equal(99 / 15, at(script, 99, 99, 0))
		assert.equal(48, #script.stores.speed.a)
	end)

	it("rejects what has no key or no numbers", function()
		local script = load {}
		local function reason(value, key)
			local out = script:process { { time = 0, key = key, value = value }, now = 0 }[1]
			assert.equal("reject", out.outcome)
			return out.reason
		end
		assert.truthy(reason({ x = 1, y = 1 }, nil):find "no key")
		assert.truthy(reason({ y = 1 }, "a"):find('"x" is missing', 1, true))
		assert.truthy(reason({ x = 1, y = "1" }, "a"):find('"y" is a string', 1, true))
	end)

	it("refuses options that make no sense", function()
		assert.has_error(function() load { span = 0 } end)
		assert.has_error(function() load { span = 5, least = 6 } end)
		assert.has_error(function() load { span = "5s" } end)
	end)
end)
