-- scripts/lib/geo.lua
local geo = dofile "scripts/lib/geo.lua"

local function near(want, is)
	assert.is_true(math.abs(is - want) <= 1e-9 * math.abs(want), is .. " is not " .. want)
end

describe("geo.distance", function()
	local degree = 6371008.8 * math.pi / 180

	it("is none between a place and itself", function()
		assert.equal(0, geo.distance(21.03, 52.44, 21.03, 52.44))
	end)

	it("takes x for the longitude and y for the latitude", function()
		near(degree, geo.distance(10, 0, 11, 0))
		near(degree, geo.distance(10, 0, 10, 1))
		near(degree * 0.001 * 0.5, geo.distance(0, 60, 0.001, 60))
	end)

	it("goes half round the earth and no further", function()
		near(6371008.8 * math.pi, geo.distance(0, 90, 0, -90))
		near(6371008.8 * math.pi, geo.distance(-90, 0, 90, 0))
	end)

	it("knows two towns", function() -- Warsaw and Cracow
		local d = geo.distance(21.0122, 52.2297, 19.9450, 50.0647)
		assert.is_true(d > 250e3 and d < 255e3)
	end)

	it("is the same both ways", function()
		assert.equal(geo.distance(21, 52, 22, 53), geo.distance(22, 53, 21, 52))
	end)
end)
