-- event_loop_recursion\.lua:[234]:
local function again(n) if n then return again(n) end end
function transform(e)
	again(e.bad)
end
