-- What a script finds as its globals: an allow-list, read only once the script is loaded. Loaded once a state by
-- sandbox.c, after prelude.lua, with the same table `host`. The tables that a script sees are empty ones in front of
-- the real ones, so that nothing can be put into them.
local host = ...
local base, charge, guarded, raise, sh, locked = host.base, host.charge, host.guarded, host.raise, host.sh, host.locked
local type, select, tostring, setmetatable, error, next, min = type, select, tostring, setmetatable, error, next,
	math.min

local function in_front(name, real, missing)
	local front = setmetatable({}, {
		__index = missing and function(_, k)
			local v = real[k]
			if v == nil then missing(k) end
			return v
		end or real,
		__newindex = function() raise(name .. " is read only") end,
		__metatable = locked,
	})
	guarded[front] = true
	return front
end

local function pick(from, names)
	local t = {}
	for name in names:gmatch "%S+" do t[name] = from[name] end
	return t
end

---- functions whose work grows with their arguments take fuel for it ------------------------------------------------

local function unguarded(t)
	if guarded[t] then raise("this table is read only") end
end

local t = pick(base.table, "concat insert maxn move remove sort")
local insert, remove, sort, concat, maxn, move = t.insert, t.remove, t.sort, t.concat, t.maxn, t.move

function t.insert(to, at, ...)
	unguarded(to)
	if select("#", ...) == 0 then return insert(to, at) end
	if type(to) == "table" and type(at) == "number" then
		local moved = #to - at
		if moved > 64 then charge(moved / 8) end
	end
	return insert(to, at, ...)
end

function t.move(from, first, last, at, to)
	if to == nil then to = from end
	unguarded(to)
	if type(first) == "number" and type(last) == "number" and last > first then charge((last - first) / 8) end
	return move(from, first, last, at, to)
end

function t.remove(from, at)
	if at == nil then return remove(from) end
	if type(from) == "table" and type(at) == "number" then
		local moved = #from - at
		if moved > 64 then charge(moved / 8) end
	end
	return remove(from, at)
end

function t.sort(what, less)
	if type(what) == "table" and #what > 8 then charge(#what * 4) end
	return sort(what, less)
end

function t.concat(what, ...)
	if type(what) == "table" and #what > 64 then charge(#what / 4) end
	return concat(what, ...)
end

function t.maxn(what)
	if type(what) == "table" then charge(#what / 4) end
	return maxn(what)
end

local unpack = base.unpack
local function unpack_charged(what, from, to)
	if type(what) == "table" and #what > 64 then charge(#what / 4) end
	return unpack(what, from, to)
end

local s = pick(base.string, "byte char find format gmatch gsub len lower match rep reverse sub upper")
local byte, rep, cap = s.byte, s.rep, host.memory
function s.byte(text, from, to)
	if to and type(text) == "string" then charge(min(#text, 8000) / 8) end
	return byte(text, from, to)
end
function s.rep(text, times, between)
	if type(text) == "string" and type(times) == "number" and (#text + (type(between) == "string" and #between or 0)) * times > cap then
		raise("string.rep: the text would be too large for the script's memory of " .. host.memory_text)
	end
	return rep(text, times, between)
end

local no_chance = "chance comes from the record here: use m.random(), which gives the same again for the same record"
local math_of = {}
for k, v in next, base.math do math_of[k] = v end
function math_of.random() raise("math.random: " .. no_chance) end
function math_of.randomseed() raise("math.randomseed: " .. no_chance) end

---- errors that nothing catches --------------------------------------------------------------------------------------

-- pcall and its like hand on what stopped the script (fuel, memory, the steps of a pattern), however often it is caught.
local function pass_trouble(ok, ...)
	if not ok then
		if sh.trouble == 1 then host.exhausted() end -- says it again, with its first place
		if sh.trouble ~= 0 or sh.steps < 0 then error((...), 0) end
	end
	return ok, ...
end

local pcall, xpcall, resume = base.pcall, base.xpcall, base.coroutine.resume
local co = pick(base.coroutine, "create isyieldable resume running status wrap yield")
function co.resume(...) return pass_trouble(resume(...)) end

---- the globals ------------------------------------------------------------------------------------------------------

local G = pick(base, "assert error getmetatable ipairs next rawequal rawget select setmetatable tonumber tostring type _VERSION")
function G.pcall(...) return pass_trouble(pcall(...)) end
function G.xpcall(...) return pass_trouble(xpcall(...)) end
function G.rawset(to, k, v)
	unguarded(to)
	return base.rawset(to, k, v)
end
local pairs = base.pairs
function G.pairs(of)
	if guarded[of] then raise("the names in it are not known: json.decode(tostring(e)) gives an event as a table") end
	return pairs(of)
end
G.unpack = unpack_charged
G.string = in_front("string", s)
G.table = in_front("table", t)
G.math = in_front("math", math_of)
G.coroutine = in_front("coroutine", co)
G.bit = in_front("bit", base.bit)
G.os = in_front("os", {}, function(k)
	raise("os." .. tostring(k) .. " is not there: m.now is the clock, m.time the event's time, both in seconds")
end)
for name, f in next, host.words do G[name] = f end

-- Log and metrics.
local format = s.format
local function logger(level)
	return function(text, ...)
		charge(1000)
		if select("#", ...) > 0 then text = format(text, ...) end
		host.log(level, tostring(text))
	end
end
G.log = in_front("log", { error = logger(0), warn = logger(1), info = logger(2), debug = logger(3) })
function G.print(...)
	local line = {}
	for k = 1, select("#", ...) do line[k] = tostring((select(k, ...))) end
	charge(1000)
	host.log(2, concat(line, " "))
end

local counters, count = {}, sh.count
G.metric = in_front("metric", {
	count = function(name, n, label)
		local of = counters[name]
		local c = of and of[label or ""]
		if not c then
			if type(name) ~= "string" or label ~= nil and type(label) ~= "string" then
				raise("metric.count takes a name, a number and a label, both strings")
			end
			c = host.ffi.cast("void *", host.counter(name, label))
			of = of or {}
			counters[name], of[label or ""] = of, c
		end
		if n == nil then n = 1 end
		if type(n) ~= "number" or not (n >= 0 and n <= 2 ^ 53) then raise("a counter only grows: give it 0 or more") end
		count(c, n)
	end,
})

-- JSON. The event itself is encoded as it stands.
local json = host.json
local encode, decode = json.encode, json.decode
function json.encode(v)
	if v == host.e then return host.event_text() end
	if guarded[v] then raise("this table of the host is no JSON") end
	return encode(v)
end
function json.decode(text)
	if type(text) == "string" and #text > 256 then charge(#text / 16) end
	return decode(text)
end
G.json = in_front("json", json)
G.null = host.null
if base.cjson then
	local cjson = {}
	for k, v in next, base.cjson do cjson[k] = v end
	function cjson.decode(text)
		if type(text) == "string" and #text > 256 then charge(#text / 16) end
		return base.cjson.decode(text)
	end
	function cjson.encode(v)
		if v == host.e then return host.event_text() end
		return base.cjson.encode(v)
	end
	G.cjson = in_front("cjson", cjson)
end

---- setting globals, and what the script defined -----------------------------------------------------------------------

local loading = true
local env = setmetatable({}, {
	__index = G,
	__newindex = function(_, k, v)
		if not loading then
			raise("global " .. tostring(k) .. " is set after loading: use a local of the file for scratch, and state \"name\" for what must last")
		end
		G[k] = v
	end,
	__metatable = locked,
})
guarded[env] = true
G._G = env
host.env = env

local text_meta = base.getmetatable("")
text_meta.__index = s
text_meta.__metatable = locked

---- require ------------------------------------------------------------------------------------------------------------

local loaded = {}
function G.require(name)
	if type(name) ~= "string" then raise("require takes the name of a file below lib: require \"lib.geo\"") end
	local v = loaded[name]
	if v == host then raise("require \"" .. name .. "\": the file requires itself, by way of others") end
	if v ~= nil then return v end
	if not loading then raise("require \"" .. name .. "\": only while the script loads; keep what it returns in a local") end
	loaded[name] = host
	v = host.load(name)
	if v == nil then v = true end
	loaded[name] = v
	return v
end

-- Loading is over: gives what C asks the script for.
function host.ready()
	loading = false
	return G.transform, G.generate, G.route, G.tick, G.close, G.migrate, G.version
end
function host.opener() return G.open end
