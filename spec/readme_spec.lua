-- The examples of scripts/README.md do what the page says.
local fairlead = require "spec.support.fairlead"

local function examples()
	local list = {}
	local f = assert(io.open "scripts/README.md")
	for code in f:read("*a"):gmatch "```lua\n(.-)```" do list[#list + 1] = code end
	f:close()
	return list
end

describe("scripts/README.md", function()
	local list = examples()

	it("has three examples", function() assert.equal(3, #list) end)

	it("changes temperatures", function()
		local script = fairlead.load("celsius.lua", { text = list[1] })
		local out = script:process {
			{ time = 5, value = { temperature = 212 } },
			{ value = { temperature = -500 } },
			{ value = {} },
			now = 7,
		}
		assert.same({ outcome = "pass", value = { temperature = 100, seconds_old = 2 } }, out[1])
		assert.equal("drop", out[2].outcome)
		assert.same({ outcome = "pass", value = {} }, out[3])
	end)

	it("counts", function()
		local script = fairlead.load("count.lua", { text = list[2] })
		local out
		for k = 1, 12 do out = script:process { { key = "a", value = { value = k } } } end
		assert.same({ value = 12, n = 12, values = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 } }, out[1].value)
		assert.equal(12, script.stores.seen.a)
	end)

	setfenv(assert(loadstring(list[3])), getfenv(1))()
end)
