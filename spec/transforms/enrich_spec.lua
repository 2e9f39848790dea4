-- scripts/transforms/enrich.lua
local fairlead = require "spec.support.fairlead"

describe("enrich", function()
	it("adds the time that a reading took, and changes nothing else", function()
		local script = fairlead.load "transforms/enrich.lua"
		local out = script:process { { value = { id = 1, timestamp = 99.5 } }, now = 100.25 }
		assert.equal("pass", out[1].outcome)
		assert.same({ id = 1, timestamp = 99.5, time_taken = 0.75 }, out[1].value)
	end)

	it("sends a reading without a time to the dead letters, and the others on", function()
		local script = fairlead.load "transforms/enrich.lua"
		local out = script:process { { value = { id = 1 } }, { value = { timestamp = 1 } }, now = 2 }
		assert.equal("reject", out[1].outcome)
		assert.equal("transforms/enrich.lua:4", out[1].at)
		assert.equal("pass", out[2].outcome)
	end)
end)
