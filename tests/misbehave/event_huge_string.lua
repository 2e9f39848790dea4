-- (event_huge_string\.lua:.*)?(not enough memory|too long|too large)
function transform(e)
	if e.bad then
		e.x = string.rep("x", 2 ^ 30)
	end
end
