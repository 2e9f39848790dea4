-- Reading and writing fields of an event. A case: what it shows, a script, the events that it gets and what comes of
-- each, in order. Run by spec/contract_spec.lua against the stand-in and by tests/script/test_contract.c in the host.
return {
	{
		name = "reads and writes in place",
		text = [[function transform(e, m) e.sum = e.a + e.b e.a = nil end]],
		events = { { value = { a = 1, b = 2, c = { 1, { x = null } } } } },
		expect = { { outcome = "pass", value = { b = 2, c = { 1, { x = null } }, sum = 3 } } },
	},
	{
		name = "what is absent is nil, null is null",
		text = [[function transform(e) e.absent = e.nothing == nil e.is_null = e.n == null e.json_null = e.n == json.null end]],
		events = { { value = { n = null } } },
		expect = { { outcome = "pass", value = { n = null, absent = true, is_null = true, json_null = true } } },
	},
	{
		name = "every type that JSON has can be written",
		text = [[
			function transform(e)
				e.n, e.s, e.t, e.f, e.z = 1.5, "\195\169\n\"", true, false, null
				e.list, e.empty, e.object, e.nothing = { 1, "two", { 3 } }, json.array {}, { a = { b = {} } }, {}
			end]],
		events = { { value = {} } },
		expect = { { outcome = "pass", value = { n = 1.5, s = "é\n\"", t = true, f = false, z = null,
			list = { 1, "two", { 3 } }, empty = array {}, object = { a = { b = {} } }, nothing = {} } } },
	},
	{
		name = "a table of a field can be changed in place",
		text = [[function transform(e) e.pos.x = 5 e.pos.list[2] = nil e.deep.a.b[1] = "new" end]],
		events = { { value = { pos = { x = 1, list = { 1, 2 } }, deep = { a = { b = { "old" } } } } } },
		expect = { { outcome = "pass", value = { pos = { x = 5, list = { 1 } }, deep = { a = { b = { "new" } } } } } },
	},
	{
		name = "a table of a field that is only read stays",
		text = [[function transform(e) local sum = 0 for _, v in ipairs(e.list) do sum = sum + v end e.sum = sum end]],
		events = { { value = { list = { 1, 2, 3 } } } },
		expect = { { outcome = "pass", value = { list = { 1, 2, 3 }, sum = 6 } } },
	},
	{
		name = "the table that was written is copied",
		text = [[function transform(e) local t = { 1 } e.a = t t[1] = 2 e.b = e.a e.b[1] = 3 end]],
		events = { { value = {} } },
		expect = { { outcome = "pass", value = { a = { 1 }, b = { 3 } } } },
	},
	{
		name = "a field that was taken out of its place and put back",
		text = [[function transform(e) local t = e.list t[1] = 9 e.list = t e.other = e.list end]],
		events = { { value = { list = { 1 } } } },
		expect = { { outcome = "pass", value = { list = { 9 }, other = { 9 } } } },
	},
	{
		name = "nan and infinities are refused, with the field's name",
		text = [[function transform(e) e.x = e.a / 0 end]],
		events = { { value = { a = 0 } }, { value = { a = 1 } } },
		expect = { { outcome = "reject", at = "case.lua:1", reason = "field x: " },
			{ outcome = "reject", at = "case.lua:1", reason = "field x: inf is not JSON" } },
	},
	{
		name = "what is no JSON is refused",
		text = [[
			function transform(e)
				if e.k == 1 then e.x = print end
				if e.k == 2 then e.x = { a = { 1, 0/0 } } end
				if e.k == 3 then e.x = { 1, a = 2 } end
				if e.k == 4 then local t = {} t.t = t e.x = t end
				if e.k == 5 then e.x = { [true] = 1 } end
				if e.k == 6 then e[1] = 2 end
				if e.k == 7 then return e[true] end
				if e.k == 8 then e.x = e end
			end]],
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } }, { value = { k = 4 } },
			{ value = { k = 5 } }, { value = { k = 6 } }, { value = { k = 7 } }, { value = { k = 8 } } },
		expect = {
			{ outcome = "reject", at = "case.lua:2" }, { outcome = "reject", at = "case.lua:3" },
			{ outcome = "reject", at = "case.lua:4" }, { outcome = "reject", at = "case.lua:5" },
			{ outcome = "reject", at = "case.lua:6" },
			{ outcome = "reject", at = "case.lua:7", reason = "field names are strings; this one is a number" },
			{ outcome = "reject", at = "case.lua:8", reason = "field names are strings; this one is a boolean" },
			{ outcome = "reject", at = "case.lua:9" } },
	},
	{
		name = "tostring and json.encode give the event as it stands",
		text = [[function transform(e) e.b = { 1 } e.a = nil e.text = json.encode(e) e.same = tostring(e) ~= e.text end]],
		events = { { value = { a = 1 } } },
		expect = { { outcome = "pass", value = { b = { 1 }, text = '{"b":[1]}', same = true } } },
	},
	{
		name = "integers beyond 2^53 are exact",
		host_only = true,
		text = [[
			function transform(e)
				e.more, e.text, e.less = e.big + 1, "n" .. e.big, e.big - json.int "9007199254740993"
				e.is_more, e.list = e.big < e.more, { e.big }
			end]],
		events = { { raw = '{"big":9007199254740993}' } },
		expect = { { outcome = "pass", raw = '{"big":9007199254740993,"is_more":true,"less":0,"list":[9007199254740993],'
			.. '"more":9007199254740994,"text":"n9007199254740993"}' } },
	},
	{
		name = "a field nobody changed leaves as it came",
		host_only = true,
		text = [[function transform(e) local _ = e.a.b[1] e.new = 3 end]],
		events = { { raw = '{"a" : {"b":[1.0, 2e0] } , "t":1700000000.123456789}' } },
		expect = { { outcome = "pass", bytes = '{"a" : {"b":[1.0, 2e0] } , "t":1700000000.123456789,"new":3}' } },
	},
	{
		name = "a string that is not UTF-8 is refused",
		host_only = true,
		text = [[function transform(e) if e.k == 1 then e.x = "\255" elseif e.k == 2 then e.x = { "\255" } else e["\255"] = 1 end end]],
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } } },
		expect = { { outcome = "reject", at = "case.lua:1", reason = "UTF-8" },
			{ outcome = "reject", at = "case.lua:1", reason = "UTF-8" },
			{ outcome = "reject", at = "case.lua:1", reason = "UTF-8" } },
	},
}
