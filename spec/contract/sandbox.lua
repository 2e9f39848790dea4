-- What a script finds and what it does not. See fields.lua for how a case reads.
local function raises(...)
	local events, expect = {}, {}
	for k, reason in ipairs { ... } do
		events[k] = { value = { k = k } }
		expect[k] = { outcome = "reject", at = "case.lua:" .. k + 1, reason = reason }
	end
	return events, expect
end

local frozen, frozen_expect = raises("global x is set after loading", "string is read only", "math is read only", "", "", "")

return {
	{
		name = "what is not there",
		text = [[
			function transform(e)
				local here = {}
				for name in ("load loadstring loadfile dofile collectgarbage getfenv setfenv newproxy module debug io ffi jit package gcinfo"):gmatch "%S+" do
					if _G[name] ~= nil then here[#here + 1] = name end
				end
				e.here = table.concat(here, " ")
				e.dump = string.dump == nil
			end]],
		events = { { value = {} } },
		expect = { { outcome = "pass", value = { here = "", dump = true } } },
	},
	{
		name = "globals and libraries can't be changed after loading",
		text = [[function transform(e)
			if e.k == 1 then x = 1 end
			if e.k == 2 then string.len = nil end
			if e.k == 3 then math.pi = 3 end
			if e.k == 4 then setmetatable(string, {}) end
			if e.k == 5 then setmetatable(_G, {}) end
			if e.k == 6 then getmetatable("").__index = {} end
		end]],
		events = frozen,
		expect = frozen_expect,
	},
	{
		name = "a script's globals are there for its functions",
		text = [[
			local seen = 0
			limit = 5
			function double(x) return x * 2 end
			function transform(e) seen = seen + 1 e.x = double(limit) e.n = seen end]],
		events = { { value = {} }, { value = {} } },
		expect = { { outcome = "pass", value = { x = 10, n = 1 } }, { outcome = "pass", value = { x = 10, n = 2 } } },
	},
	{
		name = "a script that replaces globals while it loads hurts itself alone",
		text = [[
			string, pairs, type, error, setmetatable = nil, nil, nil, nil, nil
			function transform(e) e.s = ("x"):rep(3) e.t = { 1 } if e.bad then e.nothing.x = 1 end end]],
		events = { { value = {} }, { value = { bad = true } }, { value = {} } },
		expect = { { outcome = "pass", value = { s = "xxx", t = { 1 } } }, { outcome = "reject", at = "case.lua:2" },
			{ outcome = "pass", value = { s = "xxx", t = { 1 } } } },
	},
	{
		name = "the usual libraries work",
		text = [[
			function transform(e)
				e.a = ("a,b;c"):gsub("[,;]", "-")
				e.b = select("#", ("k=v x=y"):match("(%w+)=(%w+) (%w+)"))
				e.c = table.concat({ 3, 1, 2 }, " ")
				local t = { 3, 1, 2 } table.sort(t) table.insert(t, 1, 0) table.remove(t)
				e.d = t
				e.f = bit.band(6, 3) + math.floor(2.7)
				local ok, why = pcall(function() error({ "why" }) end)
				e.g = why[1]
				local co = coroutine.wrap(function() for k = 1, 3 do coroutine.yield(k) end end)
				e.h = co() + co()
				e.i = { unpack({ 1, 2, 3 }, 2) }
				e.j = ("%5.2f|%s"):format(1.234, "x")
				local _, x = xpcall(function() error "in" end, function(w) return "handled " .. w:match "in$" end)
				e.l = x
			end]],
		events = { { value = {} } },
		expect = { { outcome = "pass", value = { a = "a-b-c", b = 3, c = "3 1 2", d = { 0, 1, 2 }, f = 4, g = "why", h = 3,
			i = { 2, 3 }, j = " 1.23|x", l = "handled in" } } },
	},
	{
		name = "json is exact",
		text = [[
			function transform(e)
				e.text = json.encode { b = json.array {}, a = { 1, null, "x" }, c = {} }
				local v = json.decode '{"x":[],"y":{"z":null}}'
				e.back = json.encode(v)
				local none, why = json.decode "{"
				e.bad = none == nil and type(why) == "string"
				e.worse = pcall(json.encode, { print })
			end]],
		events = { { value = {} } },
		expect = { { outcome = "pass", value = { text = '{"a":[1,null,"x"],"b":[],"c":{}}', back = '{"x":[],"y":{"z":null}}', bad = true, worse = false } } },
	},
	{
		name = "options are handed to open",
		text = [[
			local o
			function open(opts) o = opts end
			function transform(e) e.n, e.s, e.l = o.n, o.s, o.l end]],
		opts = { n = 2.5, s = "x", l = { 1, "y" } },
		events = { { value = {} } },
		expect = { { outcome = "pass", value = { n = 2.5, s = "x", l = { 1, "y" } } } },
	},
	{ name = "a file that defines nothing", text = [[local x = 1]], fails = "case.lua defines none of transform, generate, route, tick" },
	{ name = "bad syntax", text = "\nfunction transform(e", fails = "case.lua:2: " },
	{ name = "a file that raises", text = "\nerror 'stop'", fails = "case.lua:2: stop" },
	{ name = "open that raises", text = "function transform() end\nfunction open() local x = nil + 1 end", fails = "case.lua:2: " },
	{ name = "require of what is no library", text = [[local x = require "os" function transform() end]], fails = "case.lua:1: require" },
}
