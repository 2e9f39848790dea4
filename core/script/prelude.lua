-- The loop over a batch's events, the proxies e and m, and what a script says of an event. Loaded once a state by
-- sandbox.c with the table `host` of C functions; called by script.c once a batch.
--
-- Everything that runs for each event is written for LuaJIT's compiler: upvalues for the present row and batch, memory
-- of C read in place, no table made for a number. A value the compiler can't know the type of goes through C.
local host = ...
local ffi = host.ffi

ffi.cdef [[
struct fl_str { const char *p; uint32_t len; };
struct fl_column {
	uint8_t *type; double *num; struct fl_str *str; uint8_t *dirty; uint32_t *at; uint32_t *len;
	struct fl_str name; uint32_t written;
};
struct fl_batch {
	uint32_t n, columns;
	struct fl_column **column;
	uint8_t *outcome;
	struct fl_str *value, *key, *headers;
	double *time;
	int64_t *offset;
	uint8_t *touched;
	uint16_t *route;
	uint64_t *hash;
	const char *stream;
	uint32_t partition;
	double now;
};
struct fl_undo { uint32_t column; uint8_t type, dirty, has_str, unused; double num; struct fl_str str; };
struct fl_shared {
	struct fl_batch *b;
	int64_t steps;
	double event;
	int32_t row; uint32_t trouble, undos, touched, cached, unused;
	struct fl_str out;
	double num;
	int32_t (*column)(struct fl_shared *, const char *, uint32_t);
	void (*note)(struct fl_shared *, uint32_t);
	int32_t (*set_string)(struct fl_shared *, uint32_t, const char *, uint32_t);
	void (*drop)(struct fl_shared *, const char *, uint32_t);
	void (*late)(struct fl_shared *, uint32_t);
	int32_t (*stream)(struct fl_shared *, const char *, uint32_t);
	double (*random)(struct fl_shared *);
	int32_t (*utf8)(const char *, uint32_t);
	int32_t (*header)(struct fl_shared *, const char *, uint32_t);
	void (*count)(void *, double);
	int32_t (*load)(struct fl_shared *, uint32_t, const char *, uint32_t);
	struct fl_undo undo[512];
};
]]
assert(ffi.sizeof("struct fl_shared") == host.sizeof_shared and ffi.sizeof("struct fl_batch") == host.sizeof_batch
	and ffi.sizeof("struct fl_column") == host.sizeof_column, "prelude.lua and the headers differ")

local sh = ffi.cast("struct fl_shared *", host.shared)
local fn = { column = sh.column, note = sh.note, set_string = sh.set_string, drop = sh.drop, late = sh.late,
	stream = sh.stream, random = sh.random, utf8 = sh.utf8, header = sh.header, load = sh.load }
local fn_column, fn_note, fn_set_string, fn_drop, fn_late = fn.column, fn.note, fn.set_string, fn.drop, fn.late
local ffi_string, type, tostring, tonumber, next, rawget = ffi.string, type, tostring, tonumber, next, rawget
local rawequal, getmetatable, setmetatable, error, floor = rawequal, getmetatable, setmetatable, error, math.floor
local raise, null, budget = host.raise, host.null, host.fuel
local ABSENT, NUMBER, STRING, BOOL, NULL, NESTED = 0, 1, 2, 3, 4, 5
local PASS, DROP, REJECT, LATE = 0, 1, 2, 3

---- fuel ---------------------------------------------------------------------------------------------------------

-- The count has a function of its own around it: the compiler tells the variables of one function apart only by chance
-- (8 bits of a hash), and a store to this one, in each loop and function, would make it read all others again.
local meter, refill, charge = (function()
	local __n, __a = budget, host.exhausted
	return function() return __n, __a end,
		function() __n = budget end,
		function(steps) -- for C functions whose work grows with their arguments
			__n = __n - steps
			if __n < 0 then __a() end
		end
end)()

---- values -------------------------------------------------------------------------------------------------------

local new = host.table_new
local array_mark, is_array = host.array_mark, getmetatable(host.an_array) -- what marks a list; what it shows itself as
local guarded = {} -- tables of the host that scripts can hold but neither write nor store

local function check(v)
	local t = type(v)
	if t == "number" then
		if v - v ~= 0 then raise(tostring(v) .. " is not JSON") end
	elseif t == "string" then
		if fn.utf8(v, #v) ~= 0 then raise("a string is not UTF-8, which JSON needs") end
	elseif t ~= "boolean" and t ~= "cdata" and v ~= null then
		raise("a " .. t .. " is not JSON")
	end
	return v
end

-- A table that shares nothing with v; raises where v is not JSON.
local function copy(v, depth)
	if type(v) ~= "table" then return check(v) end
	if guarded[v] then raise("the event itself is no value: use json.decode(tostring(e)), or its fields") end
	if depth == 0 then raise("tables are nested deeper than 64, or one contains itself") end
	local n, to = #v
	if n > 0 then
		to = new(n, 0)
		for k = 1, n do
			local x = rawget(v, k)
			if type(x) == "number" and x - x == 0 then to[k] = x else to[k] = copy(x, depth - 1) end
		end
		if next(v, n) ~= nil then raise("a table has both a list's items and other keys; JSON has either") end
	else
		to = {}
		for k, x in next, v do
			if type(k) ~= "string" then raise("a table's keys must be strings or 1, 2, 3 …") end
			to[check(k)] = copy(x, depth - 1)
		end
	end
	if getmetatable(v) == is_array then setmetatable(to, array_mark) end
	return to
end

-- The same of a table that copy() made.
local function clone(v)
	local n, to = #v
	if n > 0 then
		to = new(n, 0)
		for k = 1, n do
			local x = v[k]
			if type(x) == "table" then x = clone(x) end
			to[k] = x
		end
	else
		to = {}
		for k, x in next, v do
			if type(x) == "table" then x = clone(x) end
			to[k] = x
		end
	end
	if getmetatable(v) ~= nil then setmetatable(to, array_mark) end
	return to
end

-- Whether a, which a script may have changed, still says what the copy b says.
local function equal(a, b)
	if rawequal(a, b) then return true end
	local t = type(a)
	if t ~= type(b) then return false end
	if t == "cdata" then return a == b end
	if t ~= "table" or getmetatable(a) ~= getmetatable(b) then return false end
	for k, x in next, b do
		if not equal(rawget(a, k), x) then return false end
	end
	for k in next, a do
		if rawget(b, k) == nil then return false end
	end
	return true
end

---- the present batch and event ------------------------------------------------------------------------------------

local b, column, outcome, touched, times, now, stream_name
local cols, none = {}, {} -- column by field name; none: there is no event
local known = cols
local todo = 0         -- 1: settle() has something to do
local mark, mark_text, mark_stream = PASS, nil, nil
local nested, was, nesteds, nested_at = {}, {}, 0, {} -- tables that the script read from fields, and their copies

local function field(k)
	if type(k) ~= "string" then raise("field names are strings; this one is a " .. type(k)) end
	if cols == none then raise("there is no event here: fields are for transform and route") end
	local c = fn_column(sh, k, #k)
	if c < 0 then raise(c == -1 and "too many field names: the stages of a pipeline may use 512"
		or "a field's name is not UTF-8") end
	column = b.column
	cols[k] = c
	return c
end

-- What stood in the cell goes into the journal, unless it was written in this event already.
local function note(c, k)
	local i = sh.row
	local d = c.dirty[i]
	if d == 0 then
		local u = sh.undo[sh.undos]
		u.column, u.type, u.num, u.dirty, u.has_str = k, c.type[i], c.num[i], 0, 0
		sh.undos = sh.undos + 1
		local t = touched[i]
		if t < 255 then
			t = t + 1
			touched[i] = t
		end
		c.dirty[i] = t
		c.written = 1
	elseif d <= sh.touched or d == 255 then
		fn_note(sh, k)
	end
end

local function read_nested(k)
	local v = nested[k]
	if v == nil then
		v = host.decode(k)
		nested[k], was[k] = v, clone(v)
		nesteds = nesteds + 1
		nested_at[nesteds] = k
		todo = 1
	end
	return v
end

local function read(_, name)
	local k = cols[name]
	if k == nil then k = field(name) end
	local c, i = column[k], sh.row
	local t = c.type[i]
	if t == NUMBER then return c.num[i] end
	if t == ABSENT then return nil end
	if t == STRING then
		local s = c.str[i]
		local text = ffi_string(s.p, s.len) -- no tail call: the compiler gives up on those of a metamethod
		return text
	end
	if t == BOOL then return c.num[i] ~= 0 end
	if t == NULL then return null end
	local v
	if t == NESTED then v = read_nested(k) else v = host.bigint(k) end
	return v
end

local function write(_, name, v)
	local k = cols[name]
	if k == nil then k = field(name) end
	local c, i = column[k], sh.row
	if nesteds ~= 0 then
		if v ~= nil and rawequal(nested[k], v) then return end
		nested[k] = nil
	end
	local t = type(v)
	if t == "number" then
		if v - v ~= 0 then raise("field " .. name .. ": " .. tostring(v) .. " is not JSON") end
		note(c, k)
		c.num[i] = v
		c.type[i] = NUMBER
	elseif t == "string" then
		local bad = fn_set_string(sh, k, v, #v)
		if bad ~= 0 then host.refuse(name, bad) end
	elseif t == "nil" then
		if c.type[i] ~= ABSENT then
			note(c, k)
			c.type[i] = ABSENT
		end
	elseif t == "boolean" then
		note(c, k)
		c.num[i] = v and 1 or 0
		c.type[i] = BOOL
	elseif v == null then
		note(c, k)
		c.type[i] = NULL
	else
		if guarded[v] then raise("field " .. name .. ": the event itself is no value of a field") end
		host.set(k, v, name)
	end
end

-- Tables of fields that the script changed in place go back into the event.
local function write_back()
	for x = 1, nesteds do
		local k = nested_at[x]
		local v = nested[k]
		nested[k] = nil
		if v ~= nil and not equal(v, was[k]) then host.set(k, v) end
		was[k] = nil
	end
	nesteds = 0
end

local function forget_nested()
	for x = 1, nesteds do
		local k = nested_at[x]
		nested[k], was[k] = nil, nil
	end
	nesteds = 0
end

local function event_text()
	if cols == none then return "no event" end
	if nesteds ~= 0 then write_back() end
	return host.text()
end

local locked = "it belongs to the host"
local e = setmetatable({}, { __index = read, __newindex = write, __metatable = locked, __tostring = event_text })
guarded[e] = true

---- m ------------------------------------------------------------------------------------------------------------

local function no_event(name) raise("m." .. name .. ": there is no event here") end

local headers = setmetatable({}, {
	__index = function(_, name)
		if cols == none then no_event "headers" end
		if type(name) ~= "string" or fn.header(sh, name, #name) == 0 then return nil end
		local text = ffi_string(sh.out.p, sh.out.len)
		return text
	end,
	__newindex = function() raise("headers are read only") end,
	__metatable = locked,
})
guarded[headers] = true

-- random() in [0, 1), random(n) in 1..n, random(a, b) in a..b; all from the event alone.
local function random(from, to)
	local x = fn.random(sh)
	if from == nil then return x end
	if to == nil then from, to = 1, from end
	if type(from) ~= "number" or type(to) ~= "number" or not (from <= to) then
		raise("m.random takes nothing, n, or two numbers in order")
	end
	return from + floor(x * (to - from + 1))
end

local about = {
	key = function()
		if cols == none then no_event "key" end
		local s = b.key[sh.row]
		if s.p == nil then return nil end
		local text = ffi_string(s.p, s.len)
		return text
	end,
	raw = function()
		if cols == none then no_event "raw" end
		local s = b.value[sh.row]
		if s.p == nil then return nil end
		local text = ffi_string(s.p, s.len)
		return text
	end,
	time = function()
		if cols == none then no_event "time" end
		return times[sh.row]
	end,
	offset = function()
		if cols == none then no_event "offset" end
		local offset = tonumber(b.offset[sh.row])
		return offset
	end,
	partition = function()
		if cols == none then no_event "partition" end
		return b.partition
	end,
	stream = function()
		if cols == none then no_event "stream" end
		if not stream_name then stream_name = ffi_string(b.stream) end
		return stream_name
	end,
	now = function()
		if now == now then return now end
		if cols == none then no_event "now" end
		return times[sh.row]
	end,
	late = function() return mark == LATE end,
	headers = function() return headers end,
	random = function() return random end,
}

local m = setmetatable({}, {
	__index = function(_, name)
		local get = about[name]
		if get == nil then
			raise("m has no " .. tostring(name) .. "; it has key, time, stream, partition, offset, now, late, headers, raw and random()")
		end
		local v = get()
		return v
	end,
	__newindex = function() raise("m is read only") end,
	__metatable = locked,
})
guarded[m] = true

---- what a script says of an event -----------------------------------------------------------------------------------

local streams = {} -- index by name

local function stream_of(name)
	local s = streams[name]
	if s then return s end
	if type(name) ~= "string" then raise("a stream is named by a string; this is a " .. type(name)) end
	s = fn.stream(sh, name, #name)
	if s < 0 then raise('unknown stream "' .. name .. '": the conf declares none of that name') end
	streams[name] = s
	return s
end

local function marked(outcome_is, text, stream)
	if cols == none then raise("there is no event here: drop, reject and late are for transform and route") end
	if mark == PASS then
		mark, mark_text, mark_stream = outcome_is, text, stream
		todo = 1
	end
end

local function text_of(why, otherwise)
	if why == nil then return otherwise end
	if type(why) ~= "string" and type(why) ~= "number" then raise("the reason is a string; this is a " .. type(why)) end
	return tostring(why)
end

local function drop(why) marked(DROP, text_of(why, "dropped")) end
local function reject(why)
	marked(REJECT, text_of(why, "rejected"))
	if mark == REJECT then host.here() end
end
local function late(stream) marked(LATE, nil, stream == nil and 0xffffffff or stream_of(stream)) end

local function emit_to_stream(s, v, key)
	charge(100)
	if rawequal(v, e) then
		if cols == none then raise("there is no event here to emit") end
		if nesteds ~= 0 then write_back() end
		return host.emit_event(s, key)
	end
	if guarded[v] then raise("what is emitted is the event, a table or a text") end
	return host.emit(s, v, key)
end

local function emit(v) return emit_to_stream(-1, v) end
local function emit_to(stream, v, key) return emit_to_stream(stream_of(stream), v, key) end

local function settle(kept)
	todo = 0
	local is, text, stream = mark, mark_text, mark_stream
	mark = PASS
	if nesteds ~= 0 then
		if is == LATE or (is == PASS and kept ~= false) then write_back() else forget_nested() end
	end
	if is == DROP then
		fn_drop(sh, text, #text)
	elseif is == REJECT then
		host.reject(text)
	elseif is == LATE then
		fn_late(sh, stream)
	elseif kept == false then
		fn_drop(sh, "returned false", 14)
	end
end

---- calls from C -----------------------------------------------------------------------------------------------------

local undo_state -- luastate.lua's

-- After a call that raised: nothing of it stays in Lua either. Cells and emitted records are undone by C.
local function undo()
	todo, mark = 0, PASS
	if nesteds ~= 0 then forget_nested() end
	undo_state()
	sh.trouble = 0
end

local function start()
	refill()
	sh.steps = budget
	sh.event = sh.event + 1
	sh.undos = 0
end

local function begin()
	b = sh.b
	column, outcome, touched, times, now, stream_name = b.column, b.outcome, b.touched, b.time, b.now, nil
end

-- The two functions are upvalues that never change, so that the compiler takes them for constants.
local function make_run(transform, route)
	return function(from, failed)
		if failed then undo() end
		begin()
		cols = known
		local e, m = e, m
		for r = from, b.n - 1 do
			if outcome[r] == PASS then
				sh.row = r
				sh.touched = touched[r]
				start()
				local kept
				if transform then kept = transform(e, m) end
				if kept == false or todo ~= 0 then settle(kept) end
				if route and outcome[r] == PASS then
					local to = route(e, m)
					local s = to ~= nil and stream_of(to) + 1 or 0
					if todo ~= 0 then settle() end
					if s ~= 0 then b.route[r] = s end
				end
			end
		end
		cols = none
	end
end

-- A function of the script that has no event: tick, generate, open, close, migrate.
local function call(f, at, ...)
	b = sh.b
	cols, now = none, at
	start()
	return f(...)
end

local function timed(f, at)
	b = sh.b
	cols, now = none, at
	start()
	return f(at, m)
end

local function forget()
	known = {}
	cols = none
end

cols = none

host.charge, host.copy, host.clone, host.guarded, host.sh, host.fn = charge, copy, clone, guarded, sh, fn
host.e, host.m, host.meter, host.locked, host.event_text = e, m, meter, locked, event_text
host.words = { drop = drop, reject = reject, late = late, emit = emit, emit_to = emit_to }
host.make_run = make_run
host.call, host.timed, host.undo, host.forget = call, timed, undo, forget
function host.set_undo_state(f) undo_state = f end
