-- event_loop_while\.lua:4:
function transform(e)
	local n = 0
	while e.bad do
		n = n + 1
	end
end
