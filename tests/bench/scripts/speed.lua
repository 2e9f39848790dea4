-- speed as a script: distance from the key's oldest point within span, by the time between.
local geo = require "lib.geo"

local tracks = state "tracks" -- by key: { time, x, y, time, x, y, … }, the oldest first
local span, least

function open(opts)
	span, least = opts.span, opts.least
end

function transform(e, m)
	local key, time, x, y = m.key, m.time, e.x, e.y
	local old, track, n = tracks:get(key), {}, 0
	if old then
		for i = 1, #old, 3 do
			if time - old[i] <= span then
				track[n + 1], track[n + 2], track[n + 3] = old[i], old[i + 1], old[i + 2]
				n = n + 3
			end
		end
	end
	track[n + 1], track[n + 2], track[n + 3] = time, x, y
	tracks:put(key, track)
	local took = time - track[1]
	if took < least then
		return drop "no reference yet"
	end
	e.inst_speed = geo.distance(track[2], track[3], x, y) / took
end
