-- generators/sailboat.lua: boats that sail about on a lake and tell where they are.
--
--     source "sailboats" { script "generators/sailboat.lua" { boats = 6, late = 0.05 }, to = raw }
--
-- A generator has one function, generate(t, m): the host calls it, it emits what it likes, and returns the seconds
-- until it wants to be called again. Here each call is one boat's reading. The boats have their turns in rounds, each
-- round in another order, and a round takes pause_least to pause_most seconds: so six boats send about eleven readings
-- a second.
--
-- Whatever must outlive a restart is kept with `state`, and chance comes from m.random(): killed and started again, the
-- boats sail on from where they were.

local options = {
	boats = 6,
	late = 0.05, -- the share of readings that carry a time of
	late_by = 5, -- so many seconds ago
	pause_least = 0.5,
	pause_most = 0.6,
	west = 21.020602, -- the lake, in degrees
	east = 21.043111,
	south = 52.439085,
	north = 52.456344,
	speed = 0.00005, -- degrees a move, at most, in each direction
	change = 0.01, -- the chance that a boat changes its speed
	change_by = 5e-8, -- by so many degrees a move
}

local fleet = state "fleet" -- by id: where a boat is, and its speed
local round = state "round" -- "seed" of its order, and whose turn is "next"

function open(opts)
	for name, value in pairs(opts) do
		if type(options[name]) ~= type(value) then
			error("sailboat.lua has no option " .. name .. " that is a " .. type(value))
		end
		options[name] = value
	end
	if options.boats < 1 or options.boats % 1 ~= 0 then error "boats must be a whole number, 1 or more" end
end

local function between(low, high, m)
	return low + (high - low) * m.random()
end

-- The boats in the order of a round. The seed alone decides it, so that a restart finds the same one; the table is
-- scratch, and saves shuffling for each reading.
local order, order_seed = {}, nil

local function shuffled(seed)
	if order_seed == seed and #order == options.boats then return order end
	order, order_seed = {}, seed
	for id = 1, options.boats do order[id] = id end
	for last = options.boats, 2, -1 do
		seed = seed * 48271 % 2147483647
		local other = 1 + seed % last
		order[last], order[other] = order[other], order[last]
	end
	return order
end

local function launch(m)
	return {
		x = between(options.west, options.east, m),
		y = between(options.south, options.north, m),
		vx = between(-options.speed, options.speed, m),
		vy = between(-options.speed, options.speed, m),
	}
end

local function changed(v, m)
	if m.random() >= options.change then return v end
	v = v + (m.random() < 0.5 and -options.change_by or options.change_by)
	return math.max(-options.speed, math.min(options.speed, v))
end

-- One step; what would lie beyond the border turns the boat round instead.
local function step(at, v, low, high)
	if at + v < low or at + v > high then v = -v end
	return math.max(low, math.min(high, at + v)), v
end

local function sail(boat, m)
	boat.vx, boat.vy = changed(boat.vx, m), changed(boat.vy, m)
	boat.x, boat.vx = step(boat.x, boat.vx, options.west, options.east)
	boat.y, boat.vy = step(boat.y, boat.vy, options.south, options.north)
end

function generate(t, m)
	local seed, turn = round:get "seed", round:get "next"
	if not seed or turn > options.boats then
		seed, turn = 1 + math.floor(m.random() * 2147483645), 1
		round:put("seed", seed)
	end
	round:put("next", turn + 1)

	local id = shuffled(seed)[turn]
	local boat = fleet:get(tostring(id)) or launch(m)
	sail(boat, m)
	fleet:put(tostring(id), boat)

	local timestamp = t
	if m.random() < options.late then timestamp = t - options.late_by end
	emit { id = id, x = boat.x, y = boat.y, timestamp = timestamp }
	return between(options.pause_least, options.pause_most, m) / options.boats
end
