-- event_globals\.lua:4: .*
function transform(e)
	if e.bad then
		leaked = 1
	end
end
