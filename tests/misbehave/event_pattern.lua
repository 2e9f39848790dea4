-- event_pattern\.lua:4:.*
function transform(e)
	if e.bad then
		e.x = string.find(string.rep("a", 3000), string.rep("a-", 40) .. "b")
	end
end
