-- A stand-in for the host, so that a script can be tested with busted and nothing else:
--
--     local fairlead = require "spec.support.fairlead"
--     local script = fairlead.load("transforms/enrich.lua", { opts = { boats = 6 }, streams = { "late" } })
--     local out = script:process { { key = "a", time = 5, value = { x = 1 } }, now = 7 }
--     assert.same({ x = 1, time_taken = 2 }, out[1].value)
--
-- load(name, how): the file scripts/<name> (or how.text). how.opts is handed to open(); how.streams are the declared
-- ones. Raises what the script raises while it loads.
-- script:process(events): of each event { value =, key =, time =, offset =, partition =, stream =, headers = } a
-- result { outcome = "pass" | "drop" | "reject" | "late", value =, reason =, at =, stream = (late or routed) }; all
-- emitted records are in script.emitted, { stream =, key =, value = } each. script:generate(t) returns what generate()
-- did, script:tick(now) calls tick; what those raise comes out. script:migrate(old) calls migrate.
-- script.stores[name][key] is what is kept; script.counters[name][label], script.logged: what was said.
--
-- It has the contract of the host, but neither fuel nor memory cap, no integers beyond 2^53, and other numbers from
-- m.random(). spec/contract/ holds the cases that both must pass.
local fairlead = {}

local json = require "spec.support.json"
local null = json.null

-- The innermost line of a script.
local function place()
	for level = 2, 200 do
		local at = debug.getinfo(level, "Sl")
		if not at then return nil end
		if at.currentline > 0 and not at.source:find "[/@]spec/" and not at.source:find "busted" then
			return at.source:sub(2) .. ":" .. at.currentline
		end
	end
end

local function raise(text)
	local at = place()
	error(at and at .. ": " .. text or text, 0)
end

local locked = "it belongs to the host"

local function copy(v, depth)
	depth = depth or 64
	local t = type(v)
	if t == "number" then
		if v - v ~= 0 then raise(tostring(v) .. " is not JSON") end
	elseif t == "table" then
		if getmetatable(v) == locked then raise "the event itself is no value: use its fields" end
		if depth == 0 then raise("tables are nested deeper than 64, or one contains itself") end
		local to, list = json.marked(v, {}), #v > 0
		for k, x in next, v do
			if list and type(k) ~= "number" then
				raise("a table has both a list's items and other keys; JSON has either")
			elseif not list and type(k) ~= "string" then
				raise("a table's keys must be strings or 1, 2, 3 …")
			end
			to[k] = copy(x, depth - 1)
		end
		return to
	elseif t ~= "string" and t ~= "boolean" and v ~= null then
		raise("a " .. t .. " is not JSON")
	end
	return v
end

---- the event -------------------------------------------------------------------------------------------------------

local function make_event(self)
	return setmetatable({}, {
		__index = function(_, k)
			if type(k) ~= "string" then raise("field names are strings; this one is a " .. type(k)) end
			if not self.event then raise("there is no event here: fields are for transform and route") end
			return self.work[k]
		end,
		__newindex = function(_, k, v)
			if type(k) ~= "string" then raise("field names are strings; this one is a " .. type(k)) end
			if not self.event then raise("there is no event here: fields are for transform and route") end
			if type(v) == "number" and v - v ~= 0 then
				raise("field " .. k .. ": " .. tostring(v) .. " is not JSON")
			end
			if v ~= nil and not rawequal(v, self.work[k]) then v = copy(v) end
			self.work[k] = v
		end,
		__tostring = function() return json.encode(self.work) end,
		__metatable = locked,
	})
end

-- Numbers in [0, 1) from the record's place and how many there were.
local function chance(self)
	self.chances = self.chances + 1
	local x = self.chances * 7919 + 17
	for c in tostring(self.seed):gmatch "." do x = (x * 31 + c:byte()) % 2147483647 end
	for _ = 1, 3 do x = x * 48271 % 2147483647 end
	return x / 2147483647
end

local function make_about(self)
	local function random(from, to)
		local x = chance(self)
		if from == nil then return x end
		if to == nil then from, to = 1, from end
		return from + math.floor(x * (to - from + 1))
	end
	local headers = setmetatable({}, {
		__index = function(_, k) return self.event.headers and self.event.headers[k] end,
		__newindex = function() raise "headers are read only" end,
	})
	local get = {
		key = function(e) return e.key end,
		time = function(e) return e.time or self.now end,
		offset = function(e) return e.offset or self.row - 1 end,
		partition = function(e) return e.partition or 0 end,
		stream = function(e) return e.stream or "in" end,
		raw = function(e) return e.raw or json.encode(e.value) end,
		headers = function() return headers end,
	}
	return setmetatable({}, {
		__index = function(_, k)
			if k == "now" then return self.now end
			if k == "random" then return random end
			if k == "late" then return self.mark ~= nil and self.mark.outcome == "late" end
			if not get[k] then raise("m has no " .. tostring(k)) end
			if not self.event then raise("m." .. k .. ": there is no event here") end
			return get[k](self.event)
		end,
		__newindex = function() raise "m is read only" end,
		__metatable = locked,
	})
end

---- words -----------------------------------------------------------------------------------------------------------

local function stream_of(self, name)
	if type(name) ~= "string" then raise("a stream is named by a string; this is a " .. type(name)) end
	for _, s in ipairs(self.streams) do
		if s == name then return name end
	end
	raise('unknown stream "' .. name .. '": the conf declares none of that name')
end

local function make_words(self, e)
	local words = {}
	local function mark(m)
		if not self.event then
			raise("there is no event here: drop, reject and late are for transform and route")
		end
		self.mark = self.mark or m
	end
	local function emit(stream, v, key)
		if rawequal(v, e) then
			if not self.event then raise "there is no event here to emit" end
			if not key and not stream then key = self.event.key end
			v = copy(self.work)
		elseif type(v) == "table" then
			v = copy(v)
		elseif v == nil then
			raise("emit: there is no record (nil); a table, a text, or e")
		end
		if key ~= nil and type(key) ~= "string" and type(key) ~= "number" then
			raise("a record's key is a string; this is a " .. type(key))
		end
		self.emitted[#self.emitted + 1] = { stream = stream, key = key and tostring(key), value = v }
	end
	function words.drop(why) mark { outcome = "drop", reason = why == nil and "dropped" or tostring(why) } end
	function words.reject(why)
		mark { outcome = "reject", reason = why == nil and "rejected" or tostring(why), at = place() }
	end
	function words.late(stream) mark { outcome = "late", stream = stream and stream_of(self, stream) } end
	function words.emit(v) emit(nil, v) end
	function words.emit_to(stream, v, key) emit(stream_of(self, stream), v, key) end
	return words
end

---- state -----------------------------------------------------------------------------------------------------------

local function key_text(k)
	if type(k) == "number" then k = json.encode(k) end
	if type(k) ~= "string" then raise("a key of a store is a string or a number; this is a " .. type(k)) end
	if #k == 0 or #k > 480 then raise("a key of a store has 1 to 480 bytes; this one has " .. #k) end
	return k
end

local function make_store(self, name)
	self.stores[name] = self.stores[name] or {}
	local store = {}
	local function values()
		if self.loading then raise("state is for transform, route, generate, tick and migrate") end
		return self.stores[name]
	end
	local function set(k, v)
		local kept = values()
		self.journal[#self.journal + 1] = { kept, k, kept[k] }
		kept[k] = v
	end
	function store.get(_, k)
		local v = values()[key_text(k)]
		if v == nil then return nil end
		return copy(v)
	end
	function store.put(_, k, v)
		if v ~= nil then v = copy(v) end
		set(key_text(k), v)
	end
	function store.delete(_, k) set(key_text(k), nil) end
	function store.range(_, from, to)
		from, to = from and key_text(from), to and key_text(to)
		local kept, keys, at = values(), {}, 0
		for k in pairs(kept) do
			if (not from or k >= from) and (not to or k < to) then keys[#keys + 1] = k end
		end
		table.sort(keys)
		return function()
			repeat at = at + 1 until keys[at] == nil or kept[keys[at]] ~= nil
			if keys[at] then return keys[at], copy(kept[keys[at]]) end
		end
	end
	return setmetatable({}, {
		__index = store,
		__newindex = function() raise "a store is read and written by get, put, delete and range" end,
	})
end

local function undo(self, emitted)
	for at = #self.journal, 1, -1 do
		local j = self.journal[at]
		j[1][j[2]] = j[3]
	end
	for at = #self.emitted, emitted + 1, -1 do self.emitted[at] = nil end
end

---- the sandbox -----------------------------------------------------------------------------------------------------

local function read_only(name, real, missing)
	return setmetatable({}, {
		__index = function(_, k)
			if real[k] == nil and missing then missing(k) end
			return real[k]
		end,
		__newindex = function() raise(name .. " is read only") end,
		__metatable = locked,
	})
end

local function pick(from, names)
	local t = {}
	for name in names:gmatch "%S+" do t[name] = from[name] end
	return t
end

local function libraries(self, G)
	local math_of = {}
	for k, v in pairs(math) do math_of[k] = v end
	function math_of.random() raise "math.random: use m.random(), which gives the same again for the same record" end
	math_of.randomseed = math_of.random
	G.math = read_only("math", math_of)
	G.string = read_only("string",
		pick(string, "byte char find format gmatch gsub len lower match rep reverse sub upper"))
	G.table = read_only("table", pick(table, "concat insert maxn move remove sort"))
	G.coroutine = read_only("coroutine", pick(coroutine, "create resume running status wrap yield"))
	G.bit = rawget(_G, "bit") or select(2, pcall(require, "bit"))
	G.os = read_only("os", {}, function(k)
		raise("os." .. tostring(k) .. " is not there: use m.now or m.time")
	end)
	G.json, G.null = read_only("json", json), null
	local has, cjson = pcall(require, "cjson")
	if has then G.cjson = read_only("cjson", cjson) end
	local function logger(level)
		return function(text, ...)
			if select("#", ...) > 0 then text = text:format(...) end
			self.logged[#self.logged + 1] = { level = level, text = tostring(text) }
		end
	end
	local log = {}
	for _, level in ipairs { "error", "warn", "info", "debug" } do log[level] = logger(level) end
	G.log = read_only("log", log)
	function G.print(...) logger "info"(table.concat({ ... }, " ")) end
	G.metric = read_only("metric", {
		count = function(name, n, label)
			if not name:match "^[a-z0-9_]+$" then raise "a counter's name has small letters, digits and '_'" end
			n = n or 1
			if type(n) ~= "number" or n ~= n or n < 0 then raise "a counter only grows: give it 0 or more" end
			self.counters[name] = self.counters[name] or {}
			self.counters[name][label or ""] = (self.counters[name][label or ""] or 0) + n
		end,
	})
end

local function load_file(self, path, name, text)
	if not text then
		local f = assert(io.open(path), path .. " can't be read")
		text = f:read "*a"
		f:close()
	end
	local chunk, why = loadstring(text, "@" .. name)
	if not chunk then error(why, 0) end
	return setfenv(chunk, self.env)
end

local function make_env(self, words)
	local G = pick(_G, "assert error getmetatable ipairs next pairs pcall rawequal rawget rawset select setmetatable "
		.. "tonumber tostring type unpack xpcall _VERSION")
	for name, f in pairs(words) do G[name] = f end
	function G.getmetatable(v) return type(v) == "string" and locked or getmetatable(v) end
	libraries(self, G)
	function G.state(name, options)
		for k in pairs(options or {}) do
			if k ~= "ttl" then raise('state "' .. name .. '": unknown option ' .. tostring(k) .. " (it has ttl)") end
		end
		return make_store(self, name)
	end
	local loaded = {}
	function G.require(name)
		if not name:match "^lib%.[%w_%.-]+$" then
			raise('require "' .. name .. "\": only files of the scripts' lib directory can be had, as require \"lib.geo\"")
		end
		if loaded[name] == loaded then raise('require "' .. name .. '": the file requires itself, by way of others') end
		if loaded[name] == nil then
			loaded[name] = loaded
			local file = name:gsub("%.", "/") .. ".lua"
			local v = load_file(self, "scripts/" .. file, file)()
			loaded[name] = v == nil and true or v
		end
		return loaded[name]
	end
	self.G = G
	self.env = setmetatable({}, {
		__index = G,
		__newindex = function(_, k, v)
			if not self.loading then raise("global " .. tostring(k) .. " is set after loading") end
			G[k] = v
		end,
		__metatable = locked,
	})
	G._G = self.env
end

---- calls -----------------------------------------------------------------------------------------------------------

local script = {}
script.__index = script

function fairlead.load(name, how)
	how = how or {}
	local self = setmetatable({ streams = how.streams or {}, stores = {}, emitted = {}, counters = {}, logged = {},
		journal = {}, now = 0, chances = 0, calls = 0, loading = true }, script)
	self.e = make_event(self)
	self.m = make_about(self)
	make_env(self, make_words(self, self.e))
	load_file(self, "scripts/" .. name, name, how.text)()
	if self.G.open then self.G.open(how.opts or {}) end
	self.loading = false
	if not (self.G.transform or self.G.generate or self.G.route or self.G.tick) then
		error(name .. " defines none of transform, generate, route, tick; it must define one as a global function", 0)
	end
	return self
end

-- The script's own function by name.
function script:get(name) return self.G[name] end

local function run_event(self)
	local kept
	if self.G.transform then kept = self.G.transform(self.e, self.m) end
	if not self.mark and kept == false then self.mark = { outcome = "drop", reason = "returned false" } end
	if self.mark then return self.mark end
	local to = self.G.route and self.G.route(self.e, self.m)
	if self.mark then return self.mark end
	return { outcome = "pass", stream = to and stream_of(self, to) }
end

local function raised(why)
	local text = type(why) == "string" and why or "an error that is a " .. type(why) .. ", not a text"
	if type(why) == "table" and getmetatable(why) and getmetatable(why).__tostring then
		local done, said = pcall(tostring, why)
		text = done and said or text
	end
	return { outcome = "reject", reason = text, at = text:match "^(.-:%d+):" or place() }
end

function script:process(events)
	local results = {}
	self.now = events.now or self.now
	for row, event in ipairs(events) do
		self.row, self.event, self.mark, self.journal = row, event, nil, {}
		self.work = copy(event.value or {})
		self.seed, self.chances = (event.stream or "in") .. (event.partition or 0) .. (event.offset or row - 1), 0
		local emitted = #self.emitted
		local done, result = xpcall(function()
			local r = run_event(self)
			r.value = r.outcome ~= "reject" and copy(self.work) or nil
			return r
		end, raised)
		if not done then undo(self, emitted) end
		results[row] = result
	end
	self.event, self.work = nil, nil
	return results
end

local function call(self, f, ...)
	self.journal, self.chances = {}, 0
	local emitted = #self.emitted
	local result = { pcall(f, ...) }
	if not result[1] then
		undo(self, emitted)
		error(result[2], 0)
	end
	return unpack(result, 2)
end

function script:generate(t)
	self.now, self.seed = t, "call" .. self.calls
	self.calls = self.calls + 1
	return call(self, self.G.generate, t, self.m)
end

function script:tick(now)
	self.now, self.seed = now, now
	return call(self, self.G.tick, now, self.m)
end

function script:migrate(old) return call(self, self.G.migrate, old) end

return fairlead
