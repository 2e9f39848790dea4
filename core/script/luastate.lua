-- state "name": a task's keyed store as scripts see it. Loaded once a state by sandbox.c, after prelude.lua.
--
-- Values stay Lua values between commits: put() keeps a copy, get() gives one, and only flush() makes JSON of what
-- changed and hands it to the store. What an event changed is in a journal until the next event begins, so that it
-- can be undone; the journal holds what the cache held, and that entry counts as changed again where a flush came
-- between (range() needs one).
local host = ...
local sh, copy, clone, raise, charge, new = host.sh, host.copy, host.clone, host.raise, host.charge, host.table_new
local fn_load, ffi_string = host.fn.load, host.ffi.string
local type, next, getmetatable = type, next, getmetatable

local GONE = {}    -- in a cache: the store has no such key
local UNKNOWN = {} -- in a journal: the cache did not know the key

---- lists ------------------------------------------------------------------------------------------------------------

-- A list that put() keeps has its length at 0, and may have remains of a longer one behind it: so neither its length
-- must be searched for nor its end be cleared, however often the table is used again. Other tables have nothing there.

-- spare: a kept list that nobody needs, to be used for it, or nil.
local function keep_list(v, spare)
	local to, n = spare or new(#v, 0), 0
	while true do
		local x = v[n + 1]
		if type(x) ~= "number" or x - x ~= 0 then
			if type(x) == "nil" then break end
			x = copy(x, 63)
		end
		n = n + 1
		to[n] = x
	end
	to[0] = n
	if next(v, n) ~= nil then raise("a table has both a list's items and other keys; JSON has either") end
	return to
end

-- A script's own of it, with room for a few more.
local function give_list(v, n)
	local to = new(n + 3, 0)
	for k = 1, n do
		local x = v[k]
		if type(x) == "table" then x = clone(x) end
		to[k] = x
	end
	return to
end

-- Leaves nothing but the items, and gives their number; nil: v was no kept list.
local function strip(v)
	local n = v[0]
	if n == nil then return nil end
	v[0] = nil
	local k = n + 1
	while type(v[k]) ~= "nil" do
		v[k] = nil
		k = k + 1
	end
	return n
end

-- To loops that were compiled first, the compiler links what it finds around them; otherwise each caller's trace gets a
-- few turns of its own, of another number each time. So they run now, on a list of some length.
local list = {}
for k = 1, 100 do list[k] = k + 0.5 end
for _ = 1, 4 do list = give_list(keep_list(list), 100) end

---- stores -----------------------------------------------------------------------------------------------------------

local stores, by_name = {}, {}
local kept = {} -- by task: each store's values while another task has its turn
local present

local function key_of(k)
	if type(k) == "number" then return host.number_text(k) end
	raise("a key of a store is a string or a number; this is a " .. (k == nil and "nil" or type(k)))
end

local function make(name, ttl)
	local id = host.store(name, ttl)
	local values, dirty, order, changes = {}, {}, {}, 0
	local old_key, old_value, was_dirty, olds, event, flushed = {}, {}, {}, 0, -1, false
	local store = { ttl = ttl > 0 }

	local function load(k)
		if #k > 480 or #k == 0 then raise("a key of a store has 1 to 480 bytes; this one has " .. #k) end
		local v
		local kind = fn_load(sh, id, k, #k)
		if kind == 0 then
			v = GONE
		elseif kind == 1 then
			v = sh.num
		elseif kind == 2 then
			v = host.decode_text(ffi_string(sh.out.p, sh.out.len))
		else
			v = host.load_value(id, k)
			if v == nil then v = GONE end
		end
		values[k] = v
		sh.cached = sh.cached + 1
		return v
	end

	local function set(k, v)
		if type(k) ~= "string" then k = key_of(k) end
		if not present then raise("state is for transform, route, generate, tick and migrate") end
		charge(10)
		local old = values[k]
		if old == nil then
			if #k > 480 or #k == 0 then raise("a key of a store has 1 to 480 bytes; this one has " .. #k) end
			old = UNKNOWN
			sh.cached = sh.cached + 1
		end
		if event ~= sh.event then event, olds, flushed = sh.event, 0, false end
		local at = olds + 1
		old_key[at], old_value[at], was_dirty[at] = k, old, dirty[k] or false
		olds = at
		values[k] = v
		if not dirty[k] then
			dirty[k] = true
			changes = changes + 1
			order[changes] = k
		end
	end

	-- Hands what changed to the store. Within an event, what the journal does not know must be read first.
	function store.flush()
		if changes == 0 then return end
		if event == sh.event then
			flushed = true
			for at = 1, olds do
				if old_value[at] == UNKNOWN then
					local v = host.load_value(id, old_key[at])
					if v == nil then v = GONE end
					old_value[at] = v
				end
			end
		end
		for at = 1, changes do -- one that failed half way goes on where it was
			local k = order[at]
			if k ~= nil then
				local v = values[k]
				if v == GONE then
					host.delete(id, k)
				elseif type(v) ~= "table" then
					host.put(id, k, v)
				else
					local n = strip(v)
					host.put(id, k, v)
					v[0] = n
				end
				order[at], dirty[k] = nil, nil
			end
		end
		changes = 0
	end

	function store.undo()
		if event ~= sh.event then return end
		for at = olds, 1, -1 do
			local k, v = old_key[at], old_value[at]
			old_value[at] = nil
			if v == UNKNOWN then v = nil end
			values[k] = v
			if flushed then
				if not dirty[k] then
					dirty[k] = true
					changes = changes + 1
					order[changes] = k
				end
			elseif not was_dirty[at] then
				dirty[k] = nil
				order[changes] = nil
				changes = changes - 1
			end
		end
		olds = 0
	end

	function store.clear() values = {} end

	-- The present task's values go into a table, another task's come out of one.
	function store.leave(to) to.values, to.dirty, to.order, to.changes = values, dirty, order, changes end
	function store.enter(from)
		values, dirty, order, changes = from.values or {}, from.dirty or {}, from.order or {}, from.changes or 0
		event, olds = -1, 0
	end

	local methods = {}

	function methods.get(_, k)
		if type(k) ~= "string" then k = key_of(k) end
		local v = values[k]
		if v == nil then
			if not present then raise("state is for transform, route, generate, tick and migrate") end
			v = load(k)
		end
		if type(v) == "table" then
			if v == GONE then return nil end
			local n = v[0]
			if n ~= nil then return give_list(v, n) end
			return clone(v)
		end
		return v
	end

	-- The journal's next entry is an older event's: the list in it, if it is one, is used again for the copy.
	function methods.put(_, k, v)
		if v == nil then
			v = GONE
		elseif type(v) == "table" then
			if type(v[1]) ~= "nil" and getmetatable(v) == nil then
				local at = event == sh.event and olds + 1 or 1
				local spare = old_value[at]
				if type(spare) == "table" and spare[0] ~= nil then
					old_value[at] = nil
				else
					spare = nil
				end
				v = keep_list(v, spare)
			else
				v = copy(v, 64)
			end
		else
			v = copy(v, 64)
		end
		set(k, v)
	end

	function methods.delete(_, k) set(k, GONE) end

	-- Keys from..to, to excluded, in the order of their bytes, some hundred at a time.
	function methods.range(_, from, to)
		if not present then raise("state is for transform, route, generate, tick and migrate") end
		if from ~= nil and type(from) ~= "string" then from = key_of(from) end
		if to ~= nil and type(to) ~= "string" then to = key_of(to) end
		local page, at, n = nil, 0, 0
		return function()
			while true do
				charge(1)
				if at == n then
					if page and not page.more then return nil end
					store.flush()
					page = host.range(id, from, to)
					at, n, from = 0, page.n, page.more
					if n == 0 then return nil end
				end
				at = at + 1
				local k = page[2 * at - 1]
				local v = values[k]
				if v == nil then return k, host.decode_text(page[2 * at]) end
				if v ~= GONE then
					if type(v) == "table" then
						local n = v[0]
						v = n and give_list(v, n) or clone(v)
					end
					return k, v
				end
			end
		end
	end

	local front = setmetatable({}, {
		__index = methods,
		__newindex = function() raise("a store is read and written by get, put, delete and range") end,
		__metatable = host.locked,
	})
	host.guarded[front] = true
	store.front = front
	return store
end

function host.words.state(name, options)
	local ttl = 0
	if type(name) ~= "string" then raise("state takes the store's name: state \"positions\"") end
	for k, v in next, options or {} do
		if k ~= "ttl" then raise('state "' .. name .. '": unknown option ' .. tostring(k) .. " (it has ttl)") end
		ttl = host.duration(v)
	end
	local id = by_name[name]
	if not id then
		local store = make(name, ttl)
		id = #stores + 1
		stores[id], by_name[name] = store, id
	end
	return stores[id].front
end

function host.task(id)
	if present then
		for at = 1, #stores do
			local to = kept[present][at] or {}
			kept[present][at] = to
			stores[at].leave(to)
		end
	end
	present = id
	local mine = kept[id] or {}
	kept[id] = mine
	for at = 1, #stores do stores[at].enter(mine[at] or {}) end
end

function host.end_task(id)
	kept[id] = nil
	if present == id then
		present = nil
		for at = 1, #stores do stores[at].enter {} end
	end
end

-- drop: also forget what was read. Nothing of an event stays open to be undone.
function host.flush(drop, only_ttl)
	for at = 1, #stores do
		local store = stores[at]
		if not only_ttl or store.ttl then
			store.flush()
			if drop then store.clear() end
		end
	end
end

host.set_undo_state(function()
	for at = 1, #stores do stores[at].undo() end
end)
