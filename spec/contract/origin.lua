-- Where an event comes from (m), chance, and the calls without an event. See fields.lua for how a case reads.
return {
	{
		name = "m tells where the event comes from",
		text = [[
			function transform(e, m)
				e.key, e.time, e.stream, e.partition, e.offset, e.now = m.key, m.time, m.stream, m.partition, m.offset, m.now
				e.late, e.stage, e.none = m.late, m.headers["fl.stage"], m.headers.nothing == nil
			end]],
		now = 12.5,
		events = { { key = "k", time = 3.25, stream = "raw", partition = 2, offset = 7, headers = { ["fl.stage"] = "x" }, value = {} } },
		expect = { { outcome = "pass", value = { key = "k", time = 3.25, stream = "raw", partition = 2, offset = 7, now = 12.5,
			late = false, stage = "x", none = true } } },
	},
	{
		name = "m can neither be written nor guessed",
		text = [[
			function transform(e, m)
				if e.k == 1 then m.key = 1 end
				if e.k == 2 then return m.keys end
				if e.k == 3 then m.headers.x = 1 end
				if e.k == 4 then e.no_key = m.key == nil end
			end]],
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } }, { value = { k = 4 } } },
		expect = { { outcome = "reject", at = "case.lua:2", reason = "m is read only" },
			{ outcome = "reject", at = "case.lua:3", reason = "m has no keys" },
			{ outcome = "reject", at = "case.lua:4", reason = "headers are read only" },
			{ outcome = "pass", value = { k = 4, no_key = true } } },
	},
	{
		name = "m.raw is the record as it came",
		text = [[function transform(e, m) e.x = 2 e.was = json.decode(m.raw).x end]],
		events = { { value = { x = 1 } } },
		expect = { { outcome = "pass", value = { x = 2, was = 1 } } },
	},
	{
		name = "chance comes from the record: the same one gives the same",
		text = [[
			local first = {}
			function transform(e, m)
				local a, b, c = m.random(), m.random(6), m.random(10, 12)
				local say = a .. " " .. b .. " " .. c
				e.ok = a >= 0 and a < 1 and b >= 1 and b <= 6 and b % 1 == 0 and c >= 10 and c <= 12
				e.same = first[1] == say
				if not first[1] then first[1] = say end
				e.two = m.random() ~= m.random()
			end]],
		events = { { offset = 5, value = {} }, { offset = 6, value = {} }, { offset = 5, value = {} } },
		expect = { { outcome = "pass", value = { ok = true, same = false, two = true } },
			{ outcome = "pass", value = { ok = true, same = false, two = true } },
			{ outcome = "pass", value = { ok = true, same = true, two = true } } },
	},
	{
		name = "chance and clock of Lua's own libraries are refused with the word to use",
		text = [[
			function transform(e)
				if e.k == 1 then e.x = math.random() end
				if e.k == 2 then math.randomseed(1) end
				if e.k == 3 then return os.time() end
				if e.k == 4 then return os.clock() end
			end]],
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } }, { value = { k = 4 } } },
		expect = { { outcome = "reject", at = "case.lua:2", reason = "m.random()" },
			{ outcome = "reject", at = "case.lua:3", reason = "m.random()" },
			{ outcome = "reject", at = "case.lua:4", reason = "m.now" }, { outcome = "reject", at = "case.lua:5", reason = "m.now" } },
	},
	{
		name = "generate emits, and says when it wants to be called again",
		text = [[
			local n = state "n"
			function generate(t, m)
				local k = (n:get "k" or 0) + 1
				n:put("k", k)
				emit { k = k, t = t, now = m.now, chance = m.random() >= 0 }
				return 0.5
			end]],
		generate = { 10, 11 },
		waits = { 0.5, 0.5 },
		emitted = { { value = { k = 1, t = 10, now = 10, chance = true } }, { value = { k = 2, t = 11, now = 11, chance = true } } },
		state = { n = { k = 2 } },
	},
	{
		name = "generate that raises leaves nothing behind",
		text = [[
			local n = state "n"
			function generate(t)
				n:put("k", t)
				emit { t = t }
				if t == 11 then error "eleven" end
			end]],
		generate = { 10, 11 },
		errors = { [2] = "case.lua:5: eleven" },
		emitted = { { value = { t = 10 } } },
		state = { n = { k = 10 } },
	},
	{
		name = "tick has the clock, state and emit",
		text = [[
			local s = state "s"
			function tick(now) s:put("at", now) emit_to("out", { now = now }) end]],
		streams = { "out" },
		tick = { 60 },
		emitted = { { stream = "out", value = { now = 60 } } },
		state = { s = { at = 60 } },
	},
	{
		name = "there is no event in tick",
		text = [[
			local seen
			function transform(e) seen = e end
			function tick(now) if now == 1 then return seen.x elseif now == 2 then emit(seen) else drop "x" end end]],
		events = { { value = { x = 1 } } },
		expect = { { outcome = "pass" } },
		tick = { 1, 2, 3 },
		errors = { [1] = "case.lua:3: there is no event here", [2] = "there is no event here", [3] = "case.lua:3: there is no event" },
	},
}
