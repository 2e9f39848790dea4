-- event_loop_meta\.lua:[1-9]:
local t = setmetatable({}, { __index = function(self, k) return k .. self[k] end })
function transform(e)
	if e.bad then
		e.x = t.a
	end
end
