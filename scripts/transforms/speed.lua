-- transforms/speed.lua: the plugin "speed" as a script, with the same results.
--
--     script "transforms/speed.lua" { x = "x", y = "y", span = 5, least = 1 }
--
-- Adds inst_speed: the distance from the key's oldest event of the last `span` seconds, by the time since then. While
-- that is less than `least` seconds there is no speed, and the event is dropped, or with `keep` passed without. What
-- comes out of order takes its place by its time.

local geo = require "lib.geo"

local distance, move, sqrt, type = geo.distance, table.move, math.sqrt, type
local tracks = state "speed" -- by key, oldest first: { t, x, y, t, x, y … }
local name_x, name_y, span, least, most, keep, on_earth

local function number(opts, name, default)
	local v = opts[name]
	if v == nil then v = default end
	if type(v) ~= "number" then error(name .. " must be a number") end
	return v
end

function open(opts)
	name_x, name_y = opts.x or "x", opts.y or "y"
	span, least = number(opts, "span", 5), number(opts, "least", 1)
	most = 3 * number(opts, "most", 4096)
	keep = opts.keep or false
	on_earth = (opts.metric or "earth") == "earth"
	if not (span > 0 and least >= 0 and least <= span) then error "span must be more than 0, and least from 0 to span" end
end

-- Forgets what is more than span older than the newest, and adds the point unless it is that old itself.
local function keep_point(track, t, x, y)
	local n = #track
	local newest = n > 0 and track[n - 2] > t and track[n - 2] or t
	local gone, added = 0, newest - t <= span
	while gone < n and newest - track[gone + 1] > span do gone = gone + 3 end
	if added and n - gone >= most then
		added = track[gone + 1] <= t -- of too many the oldest goes, which may be this one
		if added then gone = gone + 3 end
	end
	if gone > 0 then move(track, gone + 1, n, 1) end
	local k = n - gone
	local left = added and k + 3 or k
	for old = left + 1, n do track[old] = nil end
	if added then
		while k > 0 and track[k - 2] > t do
			track[k + 1], track[k + 2], track[k + 3] = track[k - 2], track[k - 1], track[k]
			k = k - 3
		end
		track[k + 1], track[k + 2], track[k + 3] = t, x, y
	end
	return left
end

local function speed(track, n, t, x, y)
	local k = 1
	while k < n and t - track[k] > span do k = k + 3 end
	if k > n then return nil end
	local dt = t - track[k]
	if not (dt > 0 and dt >= least) then return nil end
	local rx, ry = track[k + 1], track[k + 2]
	if on_earth then return distance(rx, ry, x, y) / dt end
	return sqrt((x - rx) * (x - rx) + (y - ry) * (y - ry)) / dt
end

function transform(e, m)
	local key, t, x, y = m.key, m.time, e[name_x], e[name_y]
	if not key then
		reject "the record has no key, so nothing tells whose speed it is: give its stream a key field"
		return
	end
	if type(x) ~= "number" or type(y) ~= "number" then
		local name, v = name_x, x
		if type(x) == "number" then name, v = name_y, y end
		reject('field "' .. name .. '" is ' .. (v == nil and "missing" or "a " .. type(v)) .. "; speed needs a number")
		return
	end
	local track = tracks:get(key) or {}
	local n = keep_point(track, t, x, y)
	tracks:put(key, track)
	local v = speed(track, n, t, x, y)
	if v and v - v ~= 0 then
		reject "the speed is beyond what a number can be"
	elseif v then
		e.inst_speed = v
	elseif keep then
		if e.inst_speed ~= nil then e.inst_speed = nil end
	else
		drop "no reference yet"
	end
end
