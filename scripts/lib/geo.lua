-- lib/geo.lua: distances on the earth. local geo = require "lib.geo"

local asin, cos, sin, sqrt = math.asin, math.cos, math.sin, math.sqrt

local geo = {
	RADIUS = 6371008.8, -- of the sphere, in metres
	DEGREE = 0.017453292519943295,
}

local RADIUS, DEGREE = geo.RADIUS, geo.DEGREE

-- Metres from one point to another, by their longitudes and latitudes in degrees. The haversine, by the operations and
-- in the order of plugins/speed.c: both give the same bits.
function geo.distance(x1, y1, x2, y2)
	local s = sin((y2 - y1) * DEGREE / 2)
	local u = sin((x2 - x1) * DEGREE / 2)
	local h = s * s + cos(y1 * DEGREE) * cos(y2 * DEGREE) * (u * u)
	return 2 * RADIUS * asin(sqrt(h < 1 and h or 1))
end

return geo
