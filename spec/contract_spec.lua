-- The contract of scripts, against the stand-in. The same cases run in the host by tests/script/test_contract.c.
local fairlead = require "spec.support.fairlead"
local json = require "spec.support.json"

local function cases_of(file)
	local chunk = assert(loadfile(file))
	setfenv(chunk, setmetatable({ null = json.null, array = json.array }, { __index = _G }))
	return chunk()
end

local function check_events(script, case)
	local events = { now = case.now }
	for k, event in ipairs(case.events) do events[k] = event end
	local got = script:process(events)
	for k, want in ipairs(case.expect) do
		local is = got[k]
		assert.equal(want.outcome, is.outcome, "event " .. k .. ": " .. tostring(is.reason))
		if want.reason then assert.truthy(is.reason:find(want.reason, 1, true), is.reason) end
		if want.at then assert.equal(want.at, is.at) end
		if want.value then assert.equal(json.encode(want.value), json.encode(is.value)) end
		assert.equal(want.stream, is.stream)
	end
end

local function check_calls(script, case, verb)
	for k, at in ipairs(case[verb]) do
		local done, wait = pcall(script[verb], script, at)
		local fails = case.errors and case.errors[k]
		assert.equal(fails == nil, done, tostring(wait))
		if fails then assert.truthy(tostring(wait):find(fails, 1, true), wait) end
		if case.waits then assert.equal(case.waits[k], wait) end
	end
end

local function check(case)
	if case.fails then
		local done, why = pcall(fairlead.load, "case.lua", { text = case.text })
		assert.is_false(done)
		assert.truthy(why:find(case.fails, 1, true), why)
		return
	end
	local script = fairlead.load("case.lua", { text = case.text, opts = case.opts, streams = case.streams })
	if case.events then check_events(script, case) end
	if case.generate then check_calls(script, case, "generate") end
	if case.tick then check_calls(script, case, "tick") end
	if case.emitted then
		for k, want in ipairs(case.emitted) do
			local is = script.emitted[k]
			assert.equal(json.encode(want.value), json.encode(is.value))
			assert.equal(want.key, is.key)
			assert.equal(want.stream, is.stream)
		end
		assert.equal(#case.emitted, #script.emitted)
	end
	for name, kept in pairs(case.state or {}) do assert.equal(json.encode(kept), json.encode(script.stores[name])) end
end

for _, file in ipairs { "fields", "outcomes", "origin", "state", "sandbox" } do
	describe("contract of scripts: " .. file, function()
		for _, case in ipairs(cases_of("spec/contract/" .. file .. ".lua")) do
			if not case.host_only then it(case.name, function() check(case) end) end
		end
	end)
end
