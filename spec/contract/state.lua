-- state "name": a task's keyed store. See fields.lua for how a case reads.
return {
	{
		name = "values of any JSON shape, copied in and out",
		text = [[
			local s = state "s"
			function transform(e, m)
				local t = { list = { 1, 2, { 3 } }, empty = json.array {}, none = null, flag = false, name = "x" }
				s:put("t", t)
				t.list[1] = 9
				local got = s:get "t"
				e.first = got.list[1]
				got.list[1] = 8
				e.again = s:get "t".list[1]
				s:put("n", 1.5) s:put("b", false) s:put("z", null) s:put("text", "é")
				e.b, e.z, e.nothing = s:get "b", s:get "z", s:get "nothing" == nil
			end]],
		events = { { value = {} } },
		expect = { { outcome = "pass", value = { first = 1, again = 1, b = false, z = null, nothing = true } } },
		state = { s = { t = { list = { 1, 2, { 3 } }, empty = array {}, none = null, flag = false, name = "x" }, n = 1.5, b = false,
			z = null, text = "é" } },
	},
	{
		name = "a list that grew and shrank is what was put last",
		text = [[
			local s = state "s"
			function transform(e)
				local list = s:get "a" or {}
				while #list > e.n do list[#list] = nil end
				while #list < e.n do list[#list + 1] = #list end
				s:put("a", list)
				if e.n == 2 then s:put("a", { 7, null, { 8 } }) list[1] = 9 s:put("a", list) end
				if e.fail then error "no" end
				local seen
				for _, v in s:range() do seen = #v end
				e.seen, e.last = seen, s:get "a"[e.n + 1] == nil
			end]],
		events = { { value = { n = 9 } }, { value = { n = 4 } }, { value = { n = 2, fail = true } }, { value = { n = 5 } },
			{ value = { n = 1 } }, { value = { n = 3 } } },
		expect = { { outcome = "pass", value = { n = 9, seen = 9, last = true } },
			{ outcome = "pass", value = { n = 4, seen = 4, last = true } }, { outcome = "reject" },
			{ outcome = "pass", value = { n = 5, seen = 5, last = true } },
			{ outcome = "pass", value = { n = 1, seen = 1, last = true } },
			{ outcome = "pass", value = { n = 3, seen = 3, last = true } } },
		state = { s = { a = { 0, 1, 2 } } },
	},
	{
		name = "put of nil and delete remove",
		text = [[
			local s = state "s"
			function transform(e, m)
				s:put("a", 1) s:put("b", 2) s:put("c", 3)
				s:put("a", nil) s:delete "b" s:delete "never"
				e.a, e.b, e.c = s:get "a" == nil, s:get "b" == nil, s:get "c"
			end]],
		events = { { value = {} } },
		expect = { { outcome = "pass", value = { a = true, b = true, c = 3 } } },
		state = { s = { c = 3 } },
	},
	{
		name = "a number as key is its text",
		text = [[
			local s = state "s"
			function transform(e) s:put(1, "one") s:put(1.5, "more") e.got = s:get "1" .. s:get(1.5) end]],
		events = { { value = {} } },
		expect = { { outcome = "pass", value = { got = "onemore" } } },
		state = { s = { ["1"] = "one", ["1.5"] = "more" } },
	},
	{
		name = "keys and values that can't be are refused",
		text = [[
			local s = state "s"
			function transform(e)
				if e.k == 1 then s:put(nil, 1) end
				if e.k == 2 then s:get(true) end
				if e.k == 3 then s:put("", 1) end
				if e.k == 4 then s:put(("x"):rep(481), 1) end
				if e.k == 5 then s:put("k", print) end
				if e.k == 6 then s:put("k", 0/0) end
				if e.k == 7 then s:put("k", { a = { function() end } }) end
				if e.k == 8 then s.x = 1 end
				if e.k == 9 then s:put("k", e) end
			end]],
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } }, { value = { k = 4 } }, { value = { k = 5 } },
			{ value = { k = 6 } }, { value = { k = 7 } }, { value = { k = 8 } }, { value = { k = 9 } } },
		expect = { { outcome = "reject", at = "case.lua:3" }, { outcome = "reject", at = "case.lua:4" },
			{ outcome = "reject", at = "case.lua:5", reason = "1 to 480 bytes" },
			{ outcome = "reject", at = "case.lua:6", reason = "1 to 480 bytes" }, { outcome = "reject", at = "case.lua:7" },
			{ outcome = "reject", at = "case.lua:8" }, { outcome = "reject", at = "case.lua:9" },
			{ outcome = "reject", at = "case.lua:10" }, { outcome = "reject", at = "case.lua:11" } },
	},
	{
		name = "range goes in the order of keys, sees what was just put, and may change as it goes",
		text = [[
			local s = state "s"
			function transform(e)
				for k = 1, 9 do s:put("k" .. k, k) end
				s:put("other", 0)
				local seen = {}
				for k, v in s:range("k3", "k8") do
					seen[#seen + 1] = k .. v
					s:delete(k)
					if k == "k5" then s:delete "k6" end
				end
				e.seen = table.concat(seen, " ")
				local n = 0
				for _ in s:range() do n = n + 1 end
				e.left = n
				for k in s:range "k9" do e.from = k break end
			end]],
		events = { { value = {} } },
		expect = { { outcome = "pass", value = { seen = "k33 k44 k55 k77", left = 5, from = "k9" } } },
		state = { s = { k1 = 1, k2 = 2, k8 = 8, k9 = 9, other = 0 } },
	},
	{
		name = "changes of an event that raises are undone, also after a range",
		text = [[
			local s, other = state "s", state "other"
			function transform(e)
				if e.k == 1 then s:put("a", { 1 }) s:put("b", 2) other:put("x", 1) return end
				if e.k == 2 then s:put("a", { 2 }) s:delete "b" s:put("c", 3) other:put("x", 2) error "no" end
				if e.k == 3 then
					s:put("b", 9)
					s:put("d", 4)
					for _ in s:range() do end
					s:delete "a"
					s:put("b", 10)
					error "no"
				end
				e.a, e.b, e.c, e.d, e.x = s:get "a", s:get "b", s:get "c" == nil, s:get "d" == nil, other:get "x"
			end]],
		events = { { value = { k = 1 } }, { value = { k = 2 } }, { value = { k = 3 } }, { value = { k = 4 } } },
		expect = { { outcome = "pass" }, { outcome = "reject" }, { outcome = "reject" },
			{ outcome = "pass", value = { k = 4, a = { 1 }, b = 2, c = true, d = true, x = 1 } } },
		state = { s = { a = { 1 }, b = 2 }, other = { x = 1 } },
	},
	{
		name = "state is for calls with a task, and its options are checked",
		text = [[state("s", { tll = "1h" }) function transform() end]],
		fails = 'case.lua:1: state "s": unknown option tll',
	},
	{
		name = "a store is not there while the script loads",
		text = [[local s = state "s" s:put("a", 1) function transform() end]],
		fails = "case.lua:1: state is for transform",
	},
}
