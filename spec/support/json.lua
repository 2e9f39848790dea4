-- JSON for tests of scripts: what `json` is in the host, without integers beyond 2^53. Keys are sorted, lists that are
-- empty stay lists, null is a constant.
local json = {}

json.null = newproxy() -- a userdata, as in the host
local array_mark = { __metatable = "array" }

function json.array(t) return setmetatable(t or {}, array_mark) end

-- to, marked as a list where from is.
function json.marked(from, to)
	if getmetatable(from) == "array" then setmetatable(to, array_mark) end
	return to
end

function json.int(v) return tonumber(v) end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
	["\b"] = "\\b", ["\f"] = "\\f" }

local function quote(s)
	return '"' .. s:gsub('[%c"\\]', function(c) return escapes[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function number(v)
	if v - v ~= 0 then error(tostring(v) .. " is not JSON", 3) end
	for digits = 14, 17 do
		local s = ("%." .. digits .. "g"):format(v)
		if tonumber(s) == v then return s end
	end
end

local encode

local function encode_table(t)
	local out = {}
	if #t > 0 or getmetatable(t) == "array" then
		for k = 1, #t do out[k] = encode(t[k]) end
		return "[" .. table.concat(out, ",") .. "]"
	end
	local keys = {}
	for k in next, t do
		if type(k) ~= "string" then error("a table's keys must be strings or 1, 2, 3 …", 3) end
		keys[#keys + 1] = k
	end
	table.sort(keys)
	for at, k in ipairs(keys) do out[at] = quote(k) .. ":" .. encode(t[k]) end
	return "{" .. table.concat(out, ",") .. "}"
end

function encode(v)
	local t = type(v)
	if v == json.null then return "null" end
	if t == "table" then return encode_table(v) end
	if t == "string" then return quote(v) end
	if t == "number" then return number(v) end
	if t == "boolean" then return tostring(v) end
	error("a " .. t .. " is not JSON", 3)
end

-- The event of a stand-in is a table with a __tostring.
function json.encode(v)
	if getmetatable(v) == "it belongs to the host" then return tostring(v) end
	return encode(v)
end

local back = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

local function utf8(code)
	if code < 0x80 then return string.char(code) end
	if code < 0x800 then return string.char(0xc0 + math.floor(code / 64), 0x80 + code % 64) end
	if code < 0x10000 then
		return string.char(0xe0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
	end
	return string.char(0xf0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
		0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local function unquote(s)
	local high
	return (s:gsub("\\(.)(%x?%x?%x?%x?)", function(c, hex)
		if c ~= "u" then return (back[c] or c) .. hex end
		local code = tonumber(hex, 16)
		if code >= 0xd800 and code < 0xdc00 then
			high = code
			return ""
		elseif code >= 0xdc00 and code < 0xe000 then
			code = 0x10000 + (high - 0xd800) * 1024 + code - 0xdc00
		end
		return utf8(code)
	end))
end

local decode

local function skip(s, at) return s:match("^[ \t\r\n]*()", at) end

local function decode_string(s, at)
	local to = at + 1
	while true do
		local stop = s:match('^[^"\\]*()', to)
		if s:sub(stop, stop) == '"' then return unquote(s:sub(at + 1, stop - 1)), stop + 1 end
		if stop > #s then error("a string does not end", 0) end
		to = stop + 2
	end
end

local function decode_object(s, at)
	local t = {}
	at = skip(s, at + 1)
	if s:sub(at, at) == "}" then return t, at + 1 end
	while true do
		if s:sub(at, at) ~= '"' then error("a key is missing at byte " .. at, 0) end
		local k
		k, at = decode_string(s, at)
		at = s:match("^[ \t\r\n]*:()", at) or error("a colon is missing at byte " .. at, 0)
		t[k], at = decode(s, at)
		at = skip(s, at)
		local c = s:sub(at, at)
		if c == "}" then return t, at + 1 end
		if c ~= "," then error("a comma is missing at byte " .. at, 0) end
		at = skip(s, at + 1)
	end
end

local function decode_list(s, at)
	local t = json.array {}
	at = skip(s, at + 1)
	if s:sub(at, at) == "]" then return t, at + 1 end
	while true do
		t[#t + 1], at = decode(s, at)
		at = skip(s, at)
		local c = s:sub(at, at)
		if c == "]" then return t, at + 1 end
		if c ~= "," then error("a comma is missing at byte " .. at, 0) end
		at = at + 1
	end
end

function decode(s, at)
	at = skip(s, at)
	local c = s:sub(at, at)
	if c == "{" then return decode_object(s, at) end
	if c == "[" then return decode_list(s, at) end
	if c == '"' then return decode_string(s, at) end
	local word, after = s:match("^([%w%.+-]+)()", at)
	if word == "true" then return true, after end
	if word == "false" then return false, after end
	if word == "null" then return json.null, after end
	local v = word and tonumber(word)
	if not v then error("no JSON value at byte " .. at, 0) end
	return v, after
end

-- nil and why where the text is no JSON.
function json.decode(s)
	local done, v, at = pcall(decode, s, 1)
	if not done then return nil, v end
	if skip(s, at) <= #s then return nil, "more behind the value at byte " .. at end
	return v
end

return json
