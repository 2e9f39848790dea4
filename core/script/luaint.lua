-- Integers beyond 2^53: sign and size, exact within int64 and uint64. Run once a state by luaint.c, which hands in ffi
-- and keeps what this returns. A cdata type and no userdata, since only cdata may be compared with a plain number.
local ffi = ...
local error, tonumber, tostring, type = error, tonumber, tostring, type
local byte, sub, match = string.byte, string.sub, string.match
local istype, int64, uint64 = ffi.istype, ffi.typeof "int64_t", ffi.typeof "uint64_t"
local Int = ffi.typeof "struct { const uint64_t size; const bool negative; }"

local PLAIN, LOWEST, HIGHEST = 2ULL ^ 53ULL, 2ULL ^ 63ULL, 0xffffffffffffffffULL

-- Sign and size of a value that is a whole number within reach; nil for any other.
local function parts(v)
	if type(v) == "number" then
		if v % 1 == 0 and v > -2 ^ 64 and v < 2 ^ 64 then
			return v < 0, uint64(v < 0 and -v or v)
		end
	elseif istype(Int, v) then
		return v.negative, v.size
	elseif istype(int64, v) then
		return v < 0, uint64(v < 0 and -v or v)
	elseif istype(uint64, v) then
		return false, v
	end
end

-- The number of this sign and size, plain where that is exact; nil where 64 bits do not hold it.
local function value(negative, size)
	if size <= PLAIN then
		local n = tonumber(size)
		return negative and n ~= 0 and -n or n
	elseif not negative or size <= LOWEST then
		return Int(size, negative)
	end
end

local function text(v)
	local negative, size = parts(v)
	return (negative and "-" or "") .. sub(tostring(size), 1, -4) -- without ULL
end

local function name(v)
	if type(v) == "number" or parts(v) ~= nil then
		return istype(Int, v) and text(v) or tostring(v)
	end
	return v == nil and "nil" or "a " .. type(v)
end

-- Raises at the line of the script that calculates: error <- refuse <- metamethod <- script.
local function refuse(a, sign, b, why)
	error(name(a) .. " " .. sign .. " " .. name(b) .. " " .. why, 3)
end

local WHOLE = "can't be calculated exactly: integers beyond 2^53 go only with whole numbers of 64 bits"
local OVERFLOW = "is beyond 64 bits"

local function sum(na, sa, nb, sb)
	if na ~= nb then
		if sa >= sb then
			return value(na, sa - sb)
		end
		return value(nb, sb - sa)
	elseif sa <= HIGHEST - sb then
		return value(na, sa + sb)
	end
end

local meta = {}

function meta.__add(a, b)
	local na, sa = parts(a)
	local nb, sb = parts(b)
	if na == nil or nb == nil then
		refuse(a, "+", b, WHOLE)
	end
	local v = sum(na, sa, nb, sb)
	return v or refuse(a, "+", b, OVERFLOW)
end

function meta.__sub(a, b)
	local na, sa = parts(a)
	local nb, sb = parts(b)
	if na == nil or nb == nil then
		refuse(a, "-", b, WHOLE)
	end
	local v = sum(na, sa, not nb, sb)
	return v or refuse(a, "-", b, OVERFLOW)
end

function meta.__mul(a, b)
	local na, sa = parts(a)
	local nb, sb = parts(b)
	if na == nil or nb == nil then
		refuse(a, "*", b, WHOLE)
	end
	local v
	if sa == 0 or sb <= HIGHEST / sa then
		v = value(na ~= nb, sa * sb)
	end
	return v or refuse(a, "*", b, OVERFLOW)
end

function meta.__div(a, b)
	local na, sa = parts(a)
	local nb, sb = parts(b)
	if na == nil or nb == nil then
		refuse(a, "/", b, WHOLE)
	elseif sb == 0 then
		refuse(a, "/", b, "divides by zero")
	elseif sa % sb ~= 0 then
		refuse(a, "/", b, "leaves a remainder: take a - a % b first, or tonumber(tostring(a)) where near is good enough")
	end
	local v = value(na ~= nb, sa / sb)
	return v or refuse(a, "/", b, OVERFLOW)
end

-- As Lua's own: the result has the sign of b.
function meta.__mod(a, b)
	local na, sa = parts(a)
	local nb, sb = parts(b)
	if na == nil or nb == nil then
		refuse(a, "%", b, WHOLE)
	elseif sb == 0 then
		refuse(a, "%", b, "divides by zero")
	end
	local rest = sa % sb
	if na ~= nb and rest ~= 0 then
		rest = sb - rest
	end
	return value(nb, rest) or refuse(a, "%", b, OVERFLOW)
end

function meta.__pow(a, b)
	refuse(a, "^", b, "is not calculated: integers beyond 2^53 have + - * and, where exact, / and %")
end

function meta.__unm(a)
	return value(not a.negative, a.size) or error("-(" .. text(a) .. ") " .. OVERFLOW, 2)
end

-- -1, 0 or 1 as a is below, at or above b; nil: they have no order. A number with a fraction lies nearer to zero than
-- an integer beyond 2^53, one that parts refuses otherwise lies beyond 64 bits.
local function order(a, b)
	local na, sa = parts(a)
	local nb, sb = parts(b)
	if na == nil then
		local back = type(a) == "number" and order(b, a)
		return back and -back or nil
	elseif nb == nil then
		if type(b) ~= "number" or b ~= b then
			return nil
		elseif b >= 2 ^ 64 or b <= -2 ^ 64 then
			return b > 0 and -1 or 1
		end
		return na and -1 or 1
	elseif na ~= nb then
		return na and -1 or 1
	elseif sa == sb then
		return 0
	end
	return (sa < sb) ~= na and -1 or 1
end

local function check_order(a, b)
	if type(a) ~= "number" and parts(a) == nil or type(b) ~= "number" and parts(b) == nil then
		error("attempt to compare " .. name(a) .. " with " .. name(b), 3)
	end
end

function meta.__eq(a, b)
	return order(a, b) == 0
end

function meta.__lt(a, b)
	check_order(a, b)
	return order(a, b) == -1
end

function meta.__le(a, b)
	check_order(a, b)
	local way = order(a, b)
	return way == -1 or way == 0
end

local function shown(v)
	if type(v) == "string" or type(v) == "number" then
		return v
	elseif parts(v) == nil then
		error("attempt to concatenate a " .. type(v) .. " value", 3)
	end
	return text(v)
end

function meta.__concat(a, b)
	return shown(a) .. shown(b)
end

meta.__tostring = text
ffi.metatype(Int, meta)

local function read(digits)
	local sign, body = match(digits, "^(%-?)0*(%d+)$")
	if not sign or #body > 20 then
		return nil
	end
	local size = 0ULL
	for i = 1, #body do
		local d = byte(body, i) - 48
		if size > (HIGHEST - d) / 10 then
			return nil
		end
		size = size * 10 + d
	end
	return value(sign == "-", size)
end

-- json.int
local function make(v)
	local made
	if type(v) == "string" then
		made = read(v)
	else
		local negative, size = parts(v)
		made = negative ~= nil and value(negative, size) or nil
	end
	if made == nil then
		error("json.int takes a whole number of 64 bits or its digits, not " ..
			(type(v) == "string" and '"' .. sub(v, 1, 40) .. '"' or name(v)), 2)
	end
	return made
end

local function push(high, low, negative)
	return Int(uint64(high) * 4294967296ULL + uint64(low), negative)
end

local function split(v)
	local negative, size = parts(v)
	if negative == nil then
		return nil
	end
	return tonumber(size / 4294967296ULL), tonumber(size % 4294967296ULL), negative
end

return push, split, make
