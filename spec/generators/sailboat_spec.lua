-- scripts/generators/sailboat.lua
local fairlead = require "spec.support.fairlead"

local function load(opts) return fairlead.load("generators/sailboat.lua", { opts = opts }) end

-- Calls it until it has given n readings; these, and the seconds that passed.
local function readings(script, n, t)
	local start = t or 1000
	t = start
	for _ = 1, n do t = t + script:generate(t) end
	local out = {}
	for k = #script.emitted - n + 1, #script.emitted do out[#out + 1] = script.emitted[k].value end
	return out, t - start
end

describe("sailboat", function()
	it("gives a reading a call, with the fields that readings have", function()
		local script = load {}
		for _, r in ipairs((readings(script, 20))) do
			local names = {}
			for name in pairs(r) do names[#names + 1] = name end
			table.sort(names)
			assert.same({ "id", "timestamp", "x", "y" }, names)
		end
	end)

	it("gives every boat its turn in each round, in another order each time", function()
		local orders = {}
		local out = readings(load { boats = 6 }, 60)
		for round = 0, 9 do
			local seen, order = {}, {}
			for k = 1, 6 do
				local id = out[round * 6 + k].id
				seen[id], order[k] = true, id
			end
			assert.same({ true, true, true, true, true, true }, seen)
			orders[table.concat(order, " ")] = true
		end
		local different = 0
		for _ in pairs(orders) do different = different + 1 end
		assert.is_true(different > 5)
	end)

	it("takes half a second or a bit more for a round", function()
		local _, seconds = readings(load { boats = 6 }, 600)
		assert.is_true(seconds > 50 and seconds < 60) -- about eleven a second
		_, seconds = readings(load { boats = 1000 }, 3000)
		assert.is_true(seconds > 1.5 and seconds < 1.8)
	end)

	it("stays on the lake and below its speed", function()
		local last = {}
		for _, r in ipairs((readings(load { late = 0, speed = 0.002, boats = 3 }, 3000))) do
			assert.is_true(r.x >= 21.020602 and r.x <= 21.043111 and r.y >= 52.439085 and r.y <= 52.456344)
			local was = last[r.id]
			if was then
				assert.is_true(math.abs(r.x - was.x) <= 0.002 + 1e-12 and math.abs(r.y - was.y) <= 0.002 + 1e-12)
				assert.is_true(r.x ~= was.x or r.y ~= was.y)
			end
			last[r.id] = r
		end
	end)

	it("sends a twentieth with a time five seconds ago", function()
		local script = load {}
		local late, t = 0, 1000
		for k = 1, 4000 do
			local now = t
			t = t + script:generate(now)
			local stamp = script.emitted[k].value.timestamp
			assert.is_true(stamp == now or stamp == now - 5)
			if stamp ~= now then late = late + 1 end
		end
		assert.is_true(late > 120 and late < 280)
	end)

	it("sails on from where it was after a restart", function()
		local script = load { late = 0 }
		local before, again = readings(script, 9), load { late = 0 }
		again.stores.fleet, again.stores.round = script.stores.fleet, script.stores.round
		local after = readings(again, 9)
		local ids, place = {}, {}
		for k = 7, 9 do ids[before[k].id] = true end
		for k = 1, 3 do ids[after[k].id] = true end -- the other half of the round
		assert.same({ true, true, true, true, true, true }, ids)
		for _, r in ipairs(before) do place[r.id] = r end
		for k = 1, 6 do
			local was = place[after[k].id]
			if was then
				assert.is_true(math.abs(after[k].x - was.x) <= 0.00005001)
				place[after[k].id] = nil
			end
		end
	end)

	it("refuses options it does not have", function()
		assert.has_error(function() load { boat = 6 } end)
		assert.has_error(function() load { boats = "six" } end)
		assert.has_error(function() load { boats = 0 } end)
	end)
end)
