-- What a script says of an event, and what it makes besides. See fields.lua for how a case reads.
return {
	{
		name = "what a function returns",
		text = [[function transform(e) if e.k == 1 then return false elseif e.k == 2 then return true elseif e.k == 3 then return 0 end end]],
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } }, { value = { k = 4 } } },
		expect = { { outcome = "drop", reason = "returned false" }, { outcome = "pass" }, { outcome = "pass" }, { outcome = "pass" } },
	},
	{
		name = "drop, reject and late take effect when the function returns, the first one counts",
		text = [[
			function transform(e, m)
				if e.k == 1 then drop "too old" e.after = true end
				if e.k == 2 then reject "no such boat" reject "again" end
				if e.k == 3 then late() e.was_late = m.late end
				if e.k == 4 then late "slow" return false end
				if e.k == 5 then drop() end
				if e.k == 6 then reject() end
			end]],
		streams = { "slow" },
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } }, { value = { k = 4 } },
			{ value = { k = 5 } }, { value = { k = 6 } } },
		expect = {
			{ outcome = "drop", reason = "too old" },
			{ outcome = "reject", reason = "no such boat", at = "case.lua:3" },
			{ outcome = "late", value = { k = 3, was_late = true } },
			{ outcome = "late", stream = "slow", value = { k = 4 } },
			{ outcome = "drop", reason = "dropped" },
			{ outcome = "reject", reason = "rejected", at = "case.lua:7" } },
	},
	{
		name = "emit adds events, with the event's key and as it stands",
		text = [[
			function transform(e)
				emit(e)
				e.x = 2
				emit(e)
				emit { made = true }
				return false
			end]],
		events = { { key = "a", value = { x = 1 } } },
		expect = { { outcome = "drop" } },
		emitted = { { key = "a", value = { x = 1 } }, { key = "a", value = { x = 2 } }, { value = { made = true } } },
	},
	{
		name = "emit_to sends to declared streams",
		text = [[
			function transform(e, m)
				emit_to("alerts", { a = { 1, { b = null } } }, "k" .. m.key)
				emit_to("alerts", e, 7)
				emit_to("alerts", e)
			end]],
		streams = { "alerts" },
		events = { { key = "a", value = { x = 1 } } },
		expect = { { outcome = "pass" } },
		emitted = { { stream = "alerts", key = "ka", value = { a = { 1, { b = null } } } },
			{ stream = "alerts", key = "7", value = { x = 1 } }, { stream = "alerts", value = { x = 1 } } },
	},
	{
		name = "an unknown stream is an error",
		text = [[
			function transform(e)
				if e.k == 1 then emit_to("nowhere", {}) end
				if e.k == 2 then late "nowhere" end
				if e.k == 3 then emit_to(5, {}) end
				if e.k == 4 then emit(nil) end
				if e.k == 5 then emit { print } end
			end
			function route(e) if e.k == 6 then return "nowhere" end end]],
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } }, { value = { k = 4 } }, { value = { k = 5 } },
			{ value = { k = 6 } } },
		expect = {
			{ outcome = "reject", at = "case.lua:2", reason = 'unknown stream "nowhere"' },
			{ outcome = "reject", at = "case.lua:3", reason = 'unknown stream "nowhere"' },
			{ outcome = "reject", at = "case.lua:4", reason = "a stream is named by a string" },
			{ outcome = "reject", at = "case.lua:5" },
			{ outcome = "reject", at = "case.lua:6" },
			{ outcome = "reject", reason = 'unknown stream "nowhere"' } },
	},
	{
		name = "route names a stream or nothing",
		text = [[
			function transform(e) if e.k == 3 then return false end e.seen = true end
			function route(e, m) if e.k ~= 2 then return "alerts" end end]],
		streams = { "alerts" },
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } } },
		expect = { { outcome = "pass", stream = "alerts", value = { k = 1, seen = true } },
			{ outcome = "pass", value = { k = 2, seen = true } }, { outcome = "drop" } },
	},
	{
		name = "an event whose script raises leaves nothing behind, the others go on",
		text = [[
			local s = state "kept"
			function transform(e, m)
				s:put(m.key, (s:get(m.key) or 0) + 1)
				s:put("last", { m.key })
				emit { from = m.key }
				e.x = 5
				if e.bad then
					s:delete("a")
					error("bad one")
				end
			end]],
		events = { { key = "a", value = {} }, { key = "b", value = { bad = true } }, { key = "a", value = {} } },
		expect = { { outcome = "pass", value = { x = 5 } }, { outcome = "reject", at = "case.lua:9", reason = "bad one" },
			{ outcome = "pass", value = { x = 5 } } },
		emitted = { { value = { from = "a" } }, { value = { from = "a" } } },
		state = { kept = { a = 2, last = { "a" } } },
	},
	{
		name = "an error may be anything",
		text = [[
			function transform(e)
				if e.k == 1 then error({ code = 1 }) end
				if e.k == 2 then error() end
				if e.k == 3 then error(setmetatable({}, { __tostring = function() return "speaks" end })) end
				if e.k == 4 then error(setmetatable({}, { __tostring = function() error("no") end })) end
				if e.k == 5 then local x = e.nothing.y end
				if e.k == 6 then error("elsewhere", 0) end
				if e.k == 7 then coroutine.yield() end
			end]],
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } }, { value = { k = 4 } }, { value = { k = 5 } },
			{ value = { k = 6 } }, { value = { k = 7 } }, { value = { k = 8 } } },
		expect = {
			{ outcome = "reject", at = "case.lua:2" }, { outcome = "reject", at = "case.lua:3" },
			{ outcome = "reject", at = "case.lua:4" }, { outcome = "reject", at = "case.lua:5" },
			{ outcome = "reject", at = "case.lua:6", reason = "nil" },
			{ outcome = "reject", at = "case.lua:7", reason = "elsewhere" },
			{ outcome = "reject", at = "case.lua:8" }, { outcome = "pass" } },
	},
}
