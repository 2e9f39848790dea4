-- event_loop_empty\.lua:4:
function transform(e)
	if e.bad then
		repeat until false
	end
end
